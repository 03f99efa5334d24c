// Whether the played GPU (simt.h) is to be trusted: small kernels, right ones that must pass under every order of threads and
// blocks, and the same with one mistake each, which must be found: by a report that says what and where, or by a wrong result
// under some order. Built with a sanitizer, also by its report.
//
//   simt_bugs → a line for each that was not as it should be, and `native: N passed, N failed`
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <initializer_list>
#include <string>
#include <vector>
#include "dialect.h"

namespace {

enum Bug { none, noBarrier, halfMask, offByOne, divergentBarrier, waitsByBlock, flagFirst, flagEarly, noWait, oneShort, reusedBuffer, twoBarriers, exited };

template <Bug bug> __device__ float warpSum(float x) {
  for (int w = 16; w; w /= 2) x += __shfl_xor_sync(bug == halfMask ? 0x0000ffffu : 0xffffffffu, x, w);
  return x;
}

/// out[block] = Σ of a row of `columns`
template <Bug bug> __global__ void sumRows(const float* x, float* out, int columns) {
  SHARED(parts, float[4]);
  float total = 0;
  for (int c = static_cast<int>(threadIdx.x); c < columns; c += 128) total += x[static_cast<int>(blockIdx.x) * columns + c];
  total = warpSum<bug>(total);
  float* const places = parts;  // past the end of this one only the address sanitizer looks, as in kernels that are handed a pointer
  if (threadIdx.x % 32 == 0) places[threadIdx.x / 32 + (bug == offByOne ? 1 : 0)] = total;
  if (bug == exited && threadIdx.x == 127) return;
  if (bug == divergentBarrier) {
    if (threadIdx.x < 32) __syncthreads();
  } else if (bug == twoBarriers) {
    if (threadIdx.x < 64) __syncthreads();
    else __syncthreads();
  } else if (bug != noBarrier) __syncthreads();
  if (threadIdx.x == 0) out[blockIdx.x] = parts[0] + parts[1] + parts[2] + parts[3];
}

/// Row i of y = Σ of the rows 0…i of x, a block a row of 64 columns: blocks wait for one another.
template <Bug bug> __global__ void runningSums(const float* x, float* y, int* flags, int* ticket) {
  SHARED(number, int);
  const int column = static_cast<int>(threadIdx.x);
  if (column == 0) number = bug == waitsByBlock ? static_cast<int>(blockIdx.x) : atomicAdd(ticket, 1);
  __syncthreads();
  const int block = number;
  if (block > 0 && column == 0)
    while (!load_acquire(&flags[block - 1])) {
    }
  __syncthreads();
  if (bug == flagFirst && column == 0) store_release(&flags[block], 1);
  y[block * 64 + column] = (block > 0 ? y[(block - 1) * 64 + column] : 0) + x[block * 64 + column];
  if (bug != flagEarly) __syncthreads();
  if (bug != flagFirst && column == 0) store_release(&flags[block], 1);
}

/// y = 2·x, through two buffers that are filled while the other is read
template <Bug bug> __global__ void doubled(const float* x, float* y, int tiles) {
  SHARED(buffers, float[2][32][4]);
  const int lane = static_cast<int>(threadIdx.x);
  const auto fetch = [&](int tile) {
    __pipeline_memcpy_async(&buffers[tile & 1][lane][0], x + (tile * 32 + lane) * 4, 16);
    __pipeline_commit();
  };
  fetch(0);
  for (int tile = 0; tile < tiles; tile++) {
    if (tile + 1 < tiles) fetch(tile + 1);
    if (bug != noWait) __pipeline_wait_prior(tile + 1 < tiles ? (bug == oneShort ? 2 : 1) : 0);
    __syncthreads();
    for (int i = 0; i < 4; i++) y[(tile * 32 + (lane ^ 1)) * 4 + i] = 2 * buffers[tile & 1][lane ^ 1][i];
    if (bug != reusedBuffer) __syncthreads();
  }
}

std::vector<float> numbers(int count) {
  std::vector<float> x(static_cast<size_t>(count));
  for (int i = 0; i < count; i++) x[static_cast<size_t>(i)] = static_cast<float>((i * 7 + i / 5) % 11 - 5);
  return x;
}

template <Bug bug> bool sumsRight() {
  constexpr int rows = 3, columns = 300;
  const std::vector<float> x = numbers(rows * columns);
  std::vector<float> out(rows, -1);
  LAUNCH(sumRows<bug>, rows, 128, 0, nullptr, x.data(), out.data(), columns);
  for (int r = 0; r < rows; r++) {
    float total = 0;
    for (int c = 0; c < columns; c++) total += x[static_cast<size_t>(r * columns + c)];
    if (out[static_cast<size_t>(r)] != total) return false;
  }
  return true;
}

template <Bug bug> bool runningRight() {
  constexpr int blocks = 7;
  const std::vector<float> x = numbers(blocks * 64);
  std::vector<float> y(blocks * 64, NAN);
  std::vector<int> flags(blocks);
  int ticket = 0;
  LAUNCH(runningSums<bug>, blocks, 64, 0, nullptr, x.data(), y.data(), flags.data(), &ticket);
  for (size_t i = 0; i < y.size(); i++)
    if (y[i] != (i < 64 ? 0 : y[i - 64]) + x[i]) return false;
  return true;
}

template <Bug bug> bool doubledRight() {
  constexpr int tiles = 5, count = tiles * 128;
  alignas(16) static float x[count];
  const std::vector<float> from = numbers(count);
  std::copy(from.begin(), from.end(), x);
  std::vector<float> y(count);
  LAUNCH(doubled<bug>, 1, 32, 0, nullptr, x, y.data(), tiles);
  for (int i = 0; i < count; i++)
    if (y[static_cast<size_t>(i)] != 2 * x[i]) return false;
  return true;
}

#ifdef __SANITIZE_ADDRESS__
constexpr bool kAddress = true;
#else
constexpr bool kAddress = false;
#endif
#ifdef __SANITIZE_THREAD__
constexpr bool kThread = true;
#else
constexpr bool kThread = false;
#endif

/// Plays a kernel under eight schedules in a process of its own (a sanitizer may end it); what was reported there.
std::string play(bool (*right)()) {
  const simt::Options schedules[] = {{simt::Order::forward, 1, 1, false}, {simt::Order::reverse, 1, 1, true},  {simt::Order::shuffle, 2, 3, false},
                                     {simt::Order::shuffle, 3, 1, true},  {simt::Order::forward, 1, 3, true},  {simt::Order::reverse, 1, 3, false},
                                     {simt::Order::shuffle, 4, 3, true},  {simt::Order::shuffle, 5, 1, false}};
  int ends[2];
  if (pipe(ends)) return "no pipe";
  std::fflush(stdout);
  const pid_t child = fork();
  if (child < 0) return "no process";
  if (child == 0) {
    dup2(ends[1], 2);
    close(ends[0]);
    for (const simt::Options& schedule : schedules) {
      simt::options = schedule;
      try {
        if (!right()) std::fprintf(stderr, "wrong result\n");
      } catch (const std::exception& error) {
        std::fprintf(stderr, "%s\n", error.what());
      }
    }
    _exit(0);
  }
  close(ends[1]);
  std::string report;
  char part[4096];
  for (ssize_t got; (got = read(ends[0], part, sizeof part)) > 0;) report.append(part, static_cast<size_t>(got));
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  if (WIFSIGNALED(status)) report += "it crashed\n";
  return report;
}

int passed = 0, failed = 0;
void passes(const char* name, bool (*right)()) {
  const std::string report = play(right);
  (report.empty() ? passed : failed)++;
  if (!report.empty()) std::printf("FAILED %s:\n%s", name, report.c_str());
}
/// `says`: what the reports must contain, what and where.
void isFound(const char* name, std::initializer_list<const char*> says, bool (*right)()) {
  const std::string report = play(right);
  bool good = true;
  for (const char* text : says) good = good && report.find(text) != std::string::npos;
  (good ? passed : failed)++;
  if (!good) std::printf("FAILED %s: reported was:\n%s", name, report.empty() ? "nothing\n" : report.c_str());
}
/// A mistake that shows as a wrong result under some order; the race detector says where.
void isWrong(const char* name, const char* kernel, bool (*right)()) {
  if (kThread) isFound(name, {"data race", "planted_bugs.cc:", kernel}, right);
  else isFound(name, {"wrong result"}, right);
}

}  // namespace

int main() {
  passes("sums of rows", sumsRight<none>);
  passes("running sums over blocks", runningRight<none>);
  passes("copies ahead", doubledRight<none>);
  isWrong("a barrier is missing after stores to shared memory", "sumRows", sumsRight<noBarrier>);
  isFound("a shuffle names half of the warp", {"__shfl_xor_sync with mask 0000ffff, which leaves out its own lane", "planted_bugs.cc:"}, sumsRight<halfMask>);
  isFound("a store past the end of a shared array", {kAddress ? "use-after-poison" : "past the end of the shared array parts", "planted_bugs.cc:"},
          sumsRight<offByOne>);
  isFound("a barrier that some threads do not reach", {"threads wait at the barrier", "planted_bugs.cc:"}, sumsRight<divergentBarrier>);
  isFound("threads of a block at two barriers", {"divergent barrier", "planted_bugs.cc:"}, sumsRight<twoBarriers>);
  isFound("a barrier after a thread has ended", {"it exits while", "threads wait at the barrier", "planted_bugs.cc:"}, sumsRight<exited>);
  isFound("blocks wait by their number, which is no order", {"spin for ever", "a spin on a flag", "planted_bugs.cc:"}, runningRight<waitsByBlock>);
  isWrong("a flag is set before its data", "runningSums", runningRight<flagFirst>);
  // no order of whole turns shows this one: every thread has stored before another block looks
  if (kThread) isWrong("a flag is set before the other threads' data", "runningSums", runningRight<flagEarly>);
  isFound("nobody waits for the copies", {"without having waited for the copy", "planted_bugs.cc:"}, doubledRight<noWait>);
  isFound("a copy is read that was not waited for", {"wrong result"}, doubledRight<oneShort>);
  isWrong("a buffer is filled while it is read", "doubled", doubledRight<reusedBuffer>);
  std::printf("native: %d passed, %d failed\n", passed, failed);
  return failed ? 1 : 0;
}
