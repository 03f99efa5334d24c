// What the machine can do, each thread its share: figures to read the others by.
#include <chrono>
#include <thread>
#include "../device/pool.h"
#include "bench.h"

namespace bench {

namespace {
volatile double sink;

/// Billions a second of what `body(thread)` returns the number of, the best of some runs on all threads.
template <class F> double rate(const Run& run, F body) {
  double best = 0;
  for (int i = 0; i < run.repeats; i++) {
    std::vector<double> done(run.threads);
    const auto start = std::chrono::steady_clock::now();
    std::vector<std::thread> helpers;
    for (int t = 1; t < run.threads; t++) helpers.emplace_back([&, t] { done[t] = body(t); });
    done[0] = body(0);
    for (auto& helper : helpers) helper.join();
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    double all = 0;
    for (double own : done) all += own;
    if (all / seconds > best) best = all / seconds;
  }
  return best / 1e9;
}
}  // namespace

void limits(Run& run) {
  const long turns = run.quick ? 2 : 10;
  run.figure("multiplyAdds", "multiply-adds in f32, GFLOP/s", rate(run, [&](int) { return multiplyAdds(turns); }));
  run.figure("bf16Dots", "dot products of bf16, GFLOP/s", rate(run, [&](int) { return bf16Dots(turns); }));
  run.figure("int8Dots", "dot products of int8, GOP/s", rate(run, [&](int) { return int8Dots(turns); }));
  run.figure("exponentials", "vector exponentials, G/s", rate(run, [&](int) { return exponentials(turns); }));
  const long floats = (run.quick ? 64l : 512l) << 20 >> 2, share = floats / run.threads;
  const std::vector<float> memory(floats, 1.0f);
  run.figure("read", run.quick ? "reading 64 MiB, GB/s" : "reading 512 MiB, GB/s", rate(run, [&](int t) {
               sink = readAll(memory.data() + t * share, share);
               return 4.0 * share;
             }));
}

}  // namespace bench
