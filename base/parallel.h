// Host threads. Work is handed out by index, so results never depend on which thread took what.
#pragma once

#include <functional>

namespace redoubt {

/// How many threads this process may run at once (its CPU affinity).
int available_threads();

/// Calls body(index, worker) once for every index in [0, count), on up to `threads` threads; worker
/// is in [0, threads). Indices are taken in ascending order, one at a time. The first exception
/// thrown stops the hand-out and is thrown again here. Not to be nested.
void parallel_for(int count, int threads, const std::function<void(int index, int worker)>& body);

}  // namespace redoubt
