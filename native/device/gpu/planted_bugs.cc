// Whether the played GPU (simt.h) is to be trusted: small kernels, right ones that must pass under every order of threads and
// blocks, and the same with one mistake each, which must be found: by a report, or by a wrong result under some order.
//
//   simt_bugs → a line for each that was not as it should be, and `native: N passed, N failed`
#include <cstdio>
#include <functional>
#include <string>
#include <vector>
#include "dialect.h"

namespace {

enum Bug { none, noBarrier, halfMask, offByOne, divergentBarrier, waitsByBlock, flagFirst, noWait, reusedBuffer, twoBarriers, exited };

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
  const int place = static_cast<int>(threadIdx.x) / 32 + (bug == offByOne ? 1 : 0);
  if (threadIdx.x % 32 == 0) parts[place] = total;
  if (bug == exited && threadIdx.x == 127) return;
  if (bug == divergentBarrier) {
    if (threadIdx.x < 32) __syncthreads();
  } else if (bug == twoBarriers) {
    if (threadIdx.x < 64) __syncthreads();
    else __syncthreads();
  } else if (bug != noBarrier) __syncthreads();
  if (threadIdx.x == 0) out[blockIdx.x] = parts[0] + parts[1] + parts[2] + parts[3];
}

/// y[i] = Σ of block i's 32 numbers and of all blocks before it: blocks wait for one another
template <Bug bug> __global__ void runningSums(const float* x, float* y, float* sums, int* flags, int* ticket) {
  SHARED(number, int);
  if (threadIdx.x == 0) number = bug == waitsByBlock ? static_cast<int>(blockIdx.x) : atomicAdd(ticket, 1);
  __syncthreads();
  const int block = number;
  const float own = warpSum<none>(x[block * 32 + static_cast<int>(threadIdx.x)]);
  if (threadIdx.x != 0) return;
  float before = 0;
  if (block > 0) {
    while (!load_acquire(&flags[block - 1])) {
    }
    before = sums[block - 1];
  }
  if (bug == flagFirst) store_release(&flags[block], 1);
  sums[block] = before + own;
  if (bug != flagFirst) store_release(&flags[block], 1);
  y[block] = before + own;
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
    if (bug != noWait) __pipeline_wait_prior(tile + 1 < tiles ? 1 : 0);
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
  const std::vector<float> x = numbers(blocks * 32);
  std::vector<float> y(blocks), sums(blocks, NAN);
  std::vector<int> flags(blocks);
  int ticket = 0;
  LAUNCH(runningSums<bug>, blocks, 32, 0, nullptr, x.data(), y.data(), sums.data(), flags.data(), &ticket);
  float total = 0;
  for (int i = 0; i < blocks * 32; i++) {
    total += x[static_cast<size_t>(i)];
    if (i % 32 == 31 && y[static_cast<size_t>(i / 32)] != total) return false;
  }
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

struct Found {
  int wrong = 0;       // schedules with a wrong result
  std::string report;  // the first one
};

/// Plays a kernel under eight schedules.
Found play(const std::function<bool()>& right) {
  const simt::Options schedules[] = {{simt::Order::forward, 1, 1, false}, {simt::Order::reverse, 1, 1, true},  {simt::Order::shuffle, 2, 3, false},
                                     {simt::Order::shuffle, 3, 1, true},  {simt::Order::forward, 1, 3, true},  {simt::Order::reverse, 1, 3, false},
                                     {simt::Order::shuffle, 4, 3, true},  {simt::Order::shuffle, 5, 1, false}};
  Found found;
  for (const simt::Options& schedule : schedules) {
    simt::options = schedule;
    try {
      if (!right()) found.wrong++;
    } catch (const std::exception& error) {
      if (found.report.empty()) found.report = error.what();
    }
  }
  return found;
}

int passed = 0, failed = 0;
void expect(const char* name, bool good, const Found& found) {
  (good ? passed : failed)++;
  if (!good) std::printf("FAILED %s: %d wrong results; report: %s\n", name, found.wrong, found.report.empty() ? "none" : found.report.c_str());
}
void passes(const char* name, const std::function<bool()>& right) {
  const Found found = play(right);
  expect(name, found.wrong == 0 && found.report.empty(), found);
}
/// `says`: what the report must contain; empty where a wrong result is what gives the mistake away.
void isFound(const char* name, const char* says, const std::function<bool()>& right) {
  const Found found = play(right);
  expect(name, *says ? found.report.find(says) != std::string::npos : found.wrong > 0 || !found.report.empty(), found);
}

}  // namespace

int main() {
  passes("sums of rows", sumsRight<none>);
  passes("running sums over blocks", runningRight<none>);
  passes("copies ahead", doubledRight<none>);
  isFound("a barrier is missing after stores to shared memory", "", sumsRight<noBarrier>);
  isFound("a shuffle names half of the warp", "mask", sumsRight<halfMask>);
  isFound("a store past the end of a shared array", "shared", sumsRight<offByOne>);
  isFound("a barrier that some threads do not reach", "barrier", sumsRight<divergentBarrier>);
  isFound("threads of a block at two barriers", "divergent barrier", sumsRight<twoBarriers>);
  isFound("a barrier after a thread has ended", "", sumsRight<exited>);
  isFound("blocks wait by their number, which is no order", "", runningRight<waitsByBlock>);
  isFound("a flag is set before its data", "", runningRight<flagFirst>);
  isFound("a copy is read without waiting for it", "", doubledRight<noWait>);
  isFound("a buffer is filled while it is read", "", doubledRight<reusedBuffer>);
  std::printf("native: %d passed, %d failed\n", passed, failed);
  return failed ? 1 : 0;
}
