// Shared by the parts of native_bench.
#pragma once
#include <string>
#include <vector>

namespace ha {
struct Backend;
class ThreadPool;
}  // namespace ha

namespace bench {

struct Shape {
  long length, channels, state;
};
/// Row-major, batch 1: u, delta, z (l d), A (d n), B, C (l n), D, deltaBias (d).
struct Operands {
  const float *u, *delta, *z, *A, *B, *C, *D, *deltaBias;
};

void plainScan(const Shape&, const Operands&, float* y);
/// α of every channel [l l d], for each pair of positions the decays between them multiplied a position at a time, vectors of
/// D·N numbers at once: the way of the paper's released code.
void plainMatrix(const Shape&, const Operands&, float* out);

/// Everything a fused scan must compute, from registers, with nothing loaded or stored: an exponential, three multiplications
/// and two multiply-adds a state, a softplus and a SiLU a channel, for `updates` states; returns a number that depends on all.
float scanArithmetic(long updates, long state);

// What one thread of this machine can do, from registers: operations done, of so many million turns.
double multiplyAdds(long millions);  // f32
double bf16Dots(long millions);      // 0: this processor has none
double int8Dots(long millions);      // the same
double exponentials(long millions);
/// Σ of `count` floats, in memory order.
float readAll(const float* p, long count);

/// Times of one thing, in milliseconds.
using Times = std::vector<double>;

/// What a part of the benchmark runs with.
struct Run {
  const ha::Backend& op;
  ha::ThreadPool& pool;
  int threads, repeats;
  bool quick, processorTime;
  /// The times of `repeats` runs of body, after one to warm up; under `name` in the output.
  Times& time(const std::string& name, const std::string& what, void (*body)(void*), void* data);
  template <class F> Times& time(const std::string& name, const std::string& what, F body) {
    return time(name, what, [](void* data) { (*static_cast<F*>(data))(); }, &body);
  }
  /// A figure that is no time.
  void figure(const std::string& name, const std::string& what, double value);
  std::string output;
};

void limits(Run&);
void scan(Run&);
void mamba2(Run&);
void matrices(Run&);
void products(Run&);

std::vector<float> normal(size_t count, float scale = 1, float mean = 0);

/// Operands of a scan with the numbers of a trained model's sizes.
struct Data {
  Shape shape;
  std::vector<float> u, delta, z, A, B, C, D, bias;
  explicit Data(Shape);
  Operands operands() const { return {u.data(), delta.data(), z.data(), A.data(), B.data(), C.data(), D.data(), bias.data()}; }
};

}  // namespace bench
