// What redoubt_benchmark measures. Names are paths, so that --benchmark_filter=^conv picks a
// family.
#pragma once

namespace redoubt::benchmarks {

/// machine/fma: the most multiply-adds a core can do. machine/copy: how fast memory is copied.
void register_machine();

/// <operation>/<preset>/<layer> for every layer of every preset, one replica and one thread, and
/// the row operations on ten models.
void register_operations();

/// step/<preset>/<batch> on one thread; round/<preset>/<batch>/<threads> and
/// evaluate/<preset>/<batch>/<threads> on one thread and on all.
void register_training();

/// aggregate/<rule>/<preset>/<clients>: rules on that many updates of a preset's model, on all
/// threads; aggregate/read: reading them once. The large ones take 5 GB.
void register_aggregation();

}  // namespace redoubt::benchmarks
