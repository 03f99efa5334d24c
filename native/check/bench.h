// What the benchmark of a device (bench.cc) is made of: memory with random numbers, times, and the lines of its answer.
#pragma once
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>
#include "../device/library.h"

namespace ha {

struct Bench {
  Hardware& hardware;
  const Backend& op;
  Context& context;
  bool small;
  std::vector<void*> blocks;
  std::vector<std::string> lines;
  uint32_t state = 1;

  explicit Bench(Hardware& hardware, bool small) : hardware(hardware), op(hardware.backend()), context(hardware.context()), small(small) {}
  ~Bench() { clear(); }

  void* memory(int64_t bytes) {
    void* block = hardware.allocate(static_cast<size_t>(bytes));
    if (!block) throw std::runtime_error("out of device memory: " + std::to_string(bytes >> 20) + " MiB asked for");
    blocks.push_back(block);
    return block;
  }
  void clear() {
    wait();
    for (void* block : blocks) hardware.free(block);
    blocks.clear();
  }
  /// Random numbers around `middle`, `spread` wide.
  Out random(int64_t count, DType dtype, float middle = 0, float spread = 1) {
    void* to = memory(count * bytesOf(dtype));
    std::vector<float> part(static_cast<size_t>(std::min<int64_t>(count, 1 << 20)));
    for (float& x : part) {
      state = state * 1664525u + 1013904223u;
      x = middle + spread * (static_cast<float>(state >> 8) / 8388608.f - 1);
    }
    std::vector<uint16_t> narrow(dtype == DType::f32 ? 0 : part.size());
    for (size_t i = 0; i < narrow.size(); i++) {  // bf16 by cutting: random anyway
      uint32_t bits;
      std::memcpy(&bits, &part[i], 4);
      narrow[i] = static_cast<uint16_t>(bits >> 16);
    }
    const void* from = narrow.empty() ? static_cast<const void*>(part.data()) : narrow.data();
    for (int64_t at = 0; at < count; at += static_cast<int64_t>(part.size()))
      hardware.toDevice(static_cast<char*>(to) + at * bytesOf(dtype), from,
                        static_cast<size_t>(std::min<int64_t>(count - at, static_cast<int64_t>(part.size())) * bytesOf(dtype)));
    return {to, dtype};
  }
  Out empty(int64_t count, DType dtype) { return {memory(count * bytesOf(dtype)), dtype}; }
  int32_t* ids(int64_t count, int32_t below) {
    std::vector<int32_t> host(static_cast<size_t>(count));
    for (auto& id : host) state = state * 1664525u + 1013904223u, id = static_cast<int32_t>((state >> 8) % static_cast<uint32_t>(below));
    void* to = memory(count * 4);
    hardware.toDevice(to, host.data(), host.size() * 4);
    return static_cast<int32_t*>(to);
  }
  void done() {
    if (const char* error = hardware.finishOp()) throw std::runtime_error(error);
    if (const int fault = hardware.takeFault()) hardware.forget(fault);
  }
  void wait() {
    std::string error;
    hardware.toHost(nullptr, nullptr, 0, nullptr, 0, [](void* data, const char* text) { *static_cast<std::string*>(data) = text ? text : ""; }, &error);
    hardware.finish();
    if (!error.empty()) throw std::runtime_error(error);
  }
  /// Milliseconds of one call of `body`.
  template <class F> double time(const F& body) {
    const auto group = [&](int calls) {
      wait();
      const auto start = std::chrono::steady_clock::now();
      for (int i = 0; i < calls; i++) body();
      wait();
      return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count() / calls;
    };
    const double once = std::max(group(1), group(1));
    const int calls = small ? 1 : std::clamp(static_cast<int>(30 / (once + 1e-3)), 1, 200);
    std::vector<double> times;
    for (int i = 0; i < (small ? 1 : 7); i++) times.push_back(group(calls));
    std::sort(times.begin(), times.end());
    return times[times.size() / 2];
  }
  void line(const std::string& name, const std::string& shape, double value, const char* unit, double limit = 0) {
    char text[512];
    const std::string bound = limit > 0 ? ", \"limit\": " + std::to_string(limit) : "";
    std::snprintf(text, sizeof text, "{\"name\": \"%s\", \"shape\": \"%s\", \"value\": %.6g, \"unit\": \"%s\"%s}", name.c_str(), shape.c_str(), value, unit, bound.c_str());
    lines.push_back(text);
    std::fprintf(stderr, "%-28s %-34s %12.6g %s%s\n", name.c_str(), shape.c_str(), value, unit, limit > 0 ? ("  (limit " + std::to_string(limit) + ")").c_str() : "");
  }
};

/// What an H200 can do at most (cuda.md, the vendor's sheet): bytes a millisecond in a copy; exponentials a millisecond.
constexpr double kBytesPerMs = 4.3e9, kExponentialsPerMs = 132 * 16 * 1.98e6, kBf16PerMs = 989e9;

void benchScans(Bench&);     // bench_ops.cc
void benchChunkedScans(Bench&);
void benchMatrices(Bench&);
void benchDecode(Bench&, const std::string& name, int64_t layers, int64_t width);  // bench_model.cc
void benchTraining(Bench&, int64_t layers, int64_t width, int64_t batch, int64_t length);

}  // namespace ha
