// Matrix products of the sizes of mamba-130m's layers: prompts (many rows), decoding (one row, eight rows) from weights that come
// from memory, and the gradients' forms. Weights in f32, bf16 and int8, the last also with activations in int8.
#include <cstdlib>
#include <new>
#include "../device/backend.h"
#include "../device/blocks.h"
#include "../device/pool.h"
#include "bench.h"

namespace bench {
namespace {

using Floats = std::vector<float>;
using Bits = std::vector<uint16_t>;

/// Memory as a device allocates it.
template <class T> struct DeviceMemory {
  using value_type = T;
  T* allocate(size_t count) {
    if (void* block = ha::allocateBlock(count * sizeof(T))) return static_cast<T*>(block);
    throw std::bad_alloc();
  }
  void deallocate(T* block, size_t) { std::free(block); }
  bool operator==(const DeviceMemory&) const { return true; }
};
template <class T> using OnDevice = std::vector<T, DeviceMemory<T>>;

Bits halves(const Floats& x) {
  Bits bits(x.size());
  for (size_t i = 0; i < x.size(); i++) bits[i] = static_cast<uint16_t>(reinterpret_cast<const uint32_t*>(x.data())[i] >> 16);
  return bits;
}

/// Weights of some layers [n k], so many that they come from memory where `layers` is large.
struct Weights {
  int64_t n, k, layers;
  OnDevice<float> wide;
  OnDevice<uint16_t> narrow;
  OnDevice<int8_t> whole;
  Floats scales;
  Weights(int64_t n, int64_t k, int64_t layers)
      : n(n), k(k), layers(layers), wide(n * k * layers), whole(n * k * layers), scales(n * k * layers / 32, 0.01f) {
    const Floats some = normal(65536);
    for (size_t i = 0; i < wide.size(); i++) wide[i] = some[i * 7919 % 65536], whole[i] = static_cast<int8_t>(i * 37 % 255 - 127);
    const Bits bits = halves(some);
    narrow.resize(wide.size());
    for (size_t i = 0; i < narrow.size(); i++) narrow[i] = bits[i * 7919 % 65536];
  }
};

void forward(Run& run, const std::string& name, int64_t m, const Weights& w) {
  const Floats a = normal(m * w.k);
  const Bits aBits = halves(a);
  Floats c(m * w.n);
  const std::string shape = std::to_string(m) + " x " + std::to_string(w.k) + " x " + std::to_string(w.n);
  const double flops = 2.0 * m * w.n * w.k * w.layers;
  const auto note = [&](const char* type, const Times& times, double bytes) {
    double least = times[0];
    for (double t : times) least = t < least ? t : least;
    run.figure(name + type + "Rate", "GFLOP/s", flops / least / 1e6);
    if (m <= 8) run.figure(name + type + "Read", "GB/s of weights", bytes * w.layers / least / 1e6);
  };
  note("F32", run.time(name + "F32", shape + ", f32", [&] {
    for (int64_t layer = 0; layer < w.layers; layer++) {
      ha::Matmul o{m, w.n, w.k, false, true, false, a.data(), w.wide.data() + layer * w.n * w.k, ha::In{}, c.data()};
      run.op.matmul(run.pool, o);
    }
  }), 4.0 * w.n * w.k);
  note("Bf16", run.time(name + "Bf16", shape + ", weights and activations in bf16", [&] {
    for (int64_t layer = 0; layer < w.layers; layer++) {
      ha::Matmul o{m, w.n, w.k, false, true, false, ha::In{aBits.data(), ha::DType::bf16},
                   ha::In{w.narrow.data() + layer * w.n * w.k, ha::DType::bf16}, ha::In{}, c.data()};
      run.op.matmul(run.pool, o);
    }
  }), 2.0 * w.n * w.k);
  for (bool rounded : {false, true}) {
    const char* type = rounded ? "Int8Rounded" : "Int8";
    note(type, run.time(name + type, shape + (rounded ? ", weights and activations in int8" : ", weights in int8"), [&] {
      for (int64_t layer = 0; layer < w.layers; layer++) {
        ha::MatmulInt8 o{m, w.n, w.k, a.data(), w.whole.data() + layer * w.n * w.k, w.scales.data() + layer * w.n * w.k / 32, ha::In{}, c.data(), rounded};
        run.op.matmulInt8(run.pool, o);
      }
    }), 1.125 * w.n * w.k);
  }
}

void gradients(Run& run, int64_t m, const Weights& w) {
  const Floats dy = normal(m * w.n), x = normal(m * w.k);
  Floats dx(m * w.k), dw(w.n * w.k);
  const std::string shape = std::to_string(m) + " x " + std::to_string(w.k) + " x " + std::to_string(w.n);
  ha::Matmul input{m, w.k, w.n, false, false, false, dy.data(), w.wide.data(), ha::In{}, dx.data()};
  run.time("gradientOfInput", "dx of " + shape + ", f32", [&] { run.op.matmul(run.pool, input); });
  ha::Matmul weight{w.n, w.k, m, true, false, false, dy.data(), x.data(), ha::In{}, dw.data()};
  run.time("gradientOfWeight", "dW of " + shape + ", f32", [&] { run.op.matmul(run.pool, weight); });
}

}  // namespace

void products(Run& run) {
  const Weights in(3072, 768, run.quick ? 4 : 24);
  forward(run, "prompt", run.quick ? 128 : 512, {3072, 768, 1});
  forward(run, "projection", run.quick ? 128 : 512, {80, 1536, 1});
  forward(run, "decode", 1, in);
  forward(run, "decode8", 8, in);
  gradients(run, run.quick ? 128 : 512, {3072, 768, 1});
}

}  // namespace bench
