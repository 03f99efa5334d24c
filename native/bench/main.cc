// native_bench PART [threads] [repeats] [--quick] [--processor-time]: figures of the kernels, as one JSON object of rows
// {what, ms: [...]} or {what, value}. PART: limits, scan, mamba2, matrices, products. With --processor-time the milliseconds are those that
// the process spent computing: for one thread on a busy machine.
#include <ctime>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <thread>
#include "../device/backend.h"
#include "../device/pool.h"
#include "bench.h"

namespace bench {

namespace {
double now(bool processorTime) {
  if (processorTime) return 1e3 * static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now().time_since_epoch()).count();
}
}  // namespace

Times& Run::time(const std::string& name, const std::string& what, void (*body)(void*), void* data) {
  static Times times;
  times.clear();
  std::string list;
  for (int i = 0; i <= repeats; i++) {
    const double start = now(processorTime);
    body(data);
    const double ms = now(processorTime) - start;
    pool.reset();
    if (i == 0) continue;
    times.push_back(ms);
    list += (list.empty() ? "" : ",") + std::to_string(ms);
  }
  output += (output.empty() ? "" : ",\n ") + ("\"" + name) + "\":{\"what\":\"" + what + "\",\"ms\":[" + list + "]}";
  return times;
}

void Run::figure(const std::string& name, const std::string& what, double value) {
  output += (output.empty() ? "" : ",\n ") + ("\"" + name) + "\":{\"what\":\"" + what + "\",\"value\":" + std::to_string(value) + "}";
}

std::vector<float> normal(size_t count, float scale, float mean) {
  static std::mt19937 generator{1};
  std::normal_distribution<float> distribution(mean, scale);
  std::vector<float> v(count);
  for (auto& x : v) x = distribution(generator);
  return v;
}

Data::Data(Shape s)
    : shape(s), u(normal(s.length * s.channels)), delta(normal(s.length * s.channels, 0.3f)), z(normal(s.length * s.channels)),
      A(s.channels * s.state), B(normal(s.length * s.state)), C(normal(s.length * s.state)), D(s.channels, 1.0f),
      bias(normal(s.channels, 1.0f, -4.6f)) {
  for (size_t i = 0; i < A.size(); i++) A[i] = -static_cast<float>(i % s.state + 1);
}

}  // namespace bench

int main(int argc, char** argv) {
  const char* part = argc > 1 ? argv[1] : "";
  int threads = static_cast<int>(std::thread::hardware_concurrency()), repeats = 10, numbers = 0;
  bool quick = false, processorTime = false;
  for (int i = 2; i < argc; i++)
    if (!std::strcmp(argv[i], "--quick")) quick = true;
    else if (!std::strcmp(argv[i], "--processor-time")) processorTime = true;
    else (numbers++ == 0 ? threads : repeats) = std::atoi(argv[i]);
  const struct {
    const char* name;
    void (*run)(bench::Run&);
  } parts[] = {{"limits", bench::limits}, {"scan", bench::scan}, {"mamba2", bench::mamba2}, {"matrices", bench::matrices}, {"products", bench::products}};
  for (const auto& known : parts)
    if (!std::strcmp(known.name, part) && threads > 0 && repeats > 0) {
      const ha::Backend& op = *ha::cpuBackend(std::getenv("HIDDEN_ATTENTION_ISA"));
      ha::ThreadPool pool(threads);
      bench::Run run{op, pool, threads, repeats, quick, processorTime, ""};
      known.run(run);
      std::printf("{\"level\":\"%s\",\"threads\":%d,\"rows\":{\n %s}}\n", op.name, threads, run.output.c_str());
      return 0;
    }
  std::fprintf(stderr, "native_bench: no part \"%s\"; use: native_bench limits|scan|mamba2|matrices|products [threads] [repeats] [--quick] [--processor-time]\n", part);
  return 2;
}
