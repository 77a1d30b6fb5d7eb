// What redoubt_benchmark measures. Names are paths, so that --benchmark_filter=^conv picks a
// family. What stands under cuda/ is there if there is a GPU. `smoke`: sizes at which everything
// runs in no time, and the numbers mean nothing.
#pragma once

namespace redoubt::benchmarks {

/// machine/fma: the most multiply-adds a core can do. machine/copy: how fast memory is copied;
/// cuda/machine/copy: a GPU's.
void register_machine(bool smoke);

/// <operation>/<preset>/<layer> for every layer of every preset, and the row operations on ten
/// models; <operation>/large on arrays of 256 MB. On a CPU one replica and one thread, under cuda/
/// ten replicas, and <pass>/3x3x<channels>/<engine>/<precision> for the engines of convolution.
void register_operations(bool smoke);

/// step/<preset>/<batch> on one thread; round/<preset>/<batch>/<threads> and
/// evaluate/<preset>/<batch>/<threads> on one thread and on all.
void register_training();

/// cuda/step/<network>/<clients>x<batch>/<precision>: one step of all clients of a round, and the
/// host's part of it; cuda/round/<network>/<batch>: a whole round; cuda/evaluate/<network>/<batch>.
void register_fleets(bool smoke);

/// aggregate/<rule>/<preset>/<clients>: rules on that many updates of a preset's model, on all
/// threads; aggregate/read: reading them once. The large ones take 5 GB.
void register_aggregation();

/// Prints the least time that an H200 can take for what stands under cuda/, from bytes and
/// operations, as tables of docs/performance.md.
void print_floors();

}  // namespace redoubt::benchmarks
