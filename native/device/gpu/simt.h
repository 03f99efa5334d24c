// CUDA as our kernels use it, for a host compiler: every GPU thread is a fiber, every order of events reproducible from a
// seed. What it refuses (divergent barriers, shuffles from absent lanes, writes outside shared arrays, deadlocks) is what a
// GPU would answer with a wrong number or a hang. For tests only.
#pragma once
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <source_location>
#include <tuple>
#include <type_traits>

#define __global__
#define __device__
#define __host__
#define __constant__ static
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __grid_constant__
#define __align__(n) alignas(n)
#define SIMT_QUIET __attribute__((no_sanitize("thread")))

struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};
struct alignas(8) float2 { float x, y; };
struct alignas(16) float4 { float x, y, z, w; };
struct alignas(8) int2 { int x, y; };
struct alignas(16) int4 { int x, y, z, w; };
struct alignas(8) uint2 { uint32_t x, y; };
struct alignas(16) uint4 { uint32_t x, y, z, w; };
inline float2 make_float2(float x, float y) { return {x, y}; }
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }

// --- the machine (simt_machine.h) ---
namespace simt {
using Site = std::source_location;
enum class Order { forward, reverse, shuffle };
struct Options {
  Order order = Order::forward;   // of threads between two barriers, and of blocks
  unsigned seed = 1;
  int resident = 1;               // blocks alive at once: > 1 lets blocks wait for one another
  bool late_copies = false;       // cp.async happens at the wait (true) or at once (false): test both
};
extern Options options;
struct Thread { dim3 thread, block; };            // what a kernel may ask about itself
extern Thread* self;
extern dim3 block_dim, grid_dim;
[[noreturn]] void fail(const char* format, ...);  // abandons the launch; launch() then throws std::runtime_error
void barrier(Site site);
int barrier_sum(int value, Site site);
const uint64_t* meet(const char* op, uint32_t mask, uint64_t value, Site site);  // all lanes of mask, the values they brought
uint32_t lane();
void yield(Site site);                            // another thread may run now
void maybe_yield();                               // the same, by chance, under Order::shuffle
void* shared(const void* key, const char* name, size_t bytes, size_t align, Site site = Site::current());
void* shared_dynamic(const char* name, Site site = Site::current());
void copy_async(void* to, const void* from, size_t bytes, Site site);
void copy_commit();
void copy_wait(int newest);
void allow_dynamic(const void* kernel, size_t bytes);
void run(const void* kernel, dim3 grid, dim3 block, size_t bytes, void (*call)(const void*), const void* closure);
template <class... P, class... A> void launch(void (*kernel)(P...), dim3 grid, dim3 block, size_t bytes, A&&... a) {
  std::tuple<void (*)(P...), std::tuple<P...>> c{kernel, std::tuple<P...>(static_cast<P>(a)...)};
  run(reinterpret_cast<const void*>(kernel), grid, block, bytes, [](const void* p) {
    auto& [k, args] = *static_cast<const decltype(c)*>(p);
    std::apply(k, args);
  }, &c);
}
template <class T> SIMT_QUIET uint64_t pack(T v) { uint64_t u = 0; __builtin_memcpy(&u, &v, sizeof v); return u; }
template <class T> SIMT_QUIET T unpack(uint64_t u) { T v; __builtin_memcpy(&v, &u, sizeof v); return v; }
}  // namespace simt
template <class T> using ha_type = T;
#define SHARED(name, ...)           \
  static const char name##_key = 0; \
  auto& name = *static_cast<ha_type<__VA_ARGS__>*>(simt::shared(&name##_key, #name, sizeof(ha_type<__VA_ARGS__>), alignof(ha_type<__VA_ARGS__>)))
#define SHARED_DYNAMIC(T, name) T* name = static_cast<T*>(simt::shared_dynamic(#name))
#define LAUNCH(kernel, grid, block, bytes, stream, ...) ((void)(stream), simt::launch(kernel, grid, block, bytes, __VA_ARGS__))
#define threadIdx (simt::self->thread)
#define blockIdx (simt::self->block)
#define blockDim (simt::block_dim)
#define gridDim (simt::grid_dim)
constexpr int warpSize = 32;

inline void __syncthreads(simt::Site s = simt::Site::current()) { simt::barrier(s); }
inline int __syncthreads_count(int p, simt::Site s = simt::Site::current()) { return simt::barrier_sum(p != 0, s); }
inline int __syncthreads_or(int p, simt::Site s = simt::Site::current()) { return simt::barrier_sum(p != 0, s) > 0; }
inline void __syncwarp(uint32_t mask = ~0u, simt::Site s = simt::Site::current()) { simt::meet("__syncwarp", mask, 0, s); }
SIMT_QUIET inline uint32_t __ballot_sync(uint32_t mask, int p, simt::Site s = simt::Site::current()) {
  const uint64_t* v = simt::meet("__ballot_sync", mask, p != 0, s);
  uint32_t r = 0;
  for (int i = 0; i < 32; i++) if (mask >> i & 1) r |= uint32_t(v[i]) << i;
  return r;
}
inline int __any_sync(uint32_t m, int p, simt::Site s = simt::Site::current()) { return __ballot_sync(m, p, s) != 0; }
inline int __all_sync(uint32_t m, int p, simt::Site s = simt::Site::current()) { return __ballot_sync(m, p, s) == m; }
namespace simt {
template <class T> SIMT_QUIET T shuffle(const char* op, uint32_t mask, T v, int from, bool in_range, Site s) {
  const uint64_t* all = meet(op, mask, pack(v), s);
  if (!in_range) return v;
  if (!(mask >> from & 1)) fail("%s reads lane %d, which is not in mask %08x (%s:%u)", op, from, mask, s.file_name(), s.line());
  return unpack<T>(all[from]);
}
}  // namespace simt
#define SIMT_SHUFFLE(name, arg, from, ok)                                                                         \
  template <class T> T name(uint32_t mask, T v, arg, int w = 32, simt::Site s = simt::Site::current()) {          \
    int l = int(simt::lane()), base = l / w * w, f = from;                                                        \
    return simt::shuffle(#name, mask, v, f, ok, s);                                                               \
  }
SIMT_SHUFFLE(__shfl_sync, int src, base + (src & (w - 1)), true)
SIMT_SHUFFLE(__shfl_up_sync, unsigned n, l - int(n), f >= base)
SIMT_SHUFFLE(__shfl_down_sync, unsigned n, l + int(n), f < base + w)
SIMT_SHUFFLE(__shfl_xor_sync, int x, l ^ x, f < base + w)

// --- memory order: spins must go through load_acquire (it yields); a volatile loop would hang here ---
inline int load_acquire(const int* p, simt::Site s = simt::Site::current()) { simt::yield(s); return __atomic_load_n(p, __ATOMIC_ACQUIRE); }
inline void store_release(int* p, int v) { __atomic_store_n(p, v, __ATOMIC_RELEASE); simt::maybe_yield(); }
inline void __threadfence() {}
inline void __threadfence_block() {}
inline void __nanosleep(unsigned, simt::Site s = simt::Site::current()) { simt::yield(s); }
template <class T, class F> T simt_rmw(T* p, F f) {
  simt::maybe_yield();
  T old, now;
  __atomic_load(p, &old, __ATOMIC_RELAXED);
  do now = f(old); while (!__atomic_compare_exchange(p, &old, &now, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
  return old;
}
template <class T> T atomicAdd(T* p, std::type_identity_t<T> v) { return simt_rmw(p, [=](T o) { return T(o + v); }); }
template <class T> T atomicMax(T* p, std::type_identity_t<T> v) { return simt_rmw(p, [=](T o) { return std::max(o, v); }); }
template <class T> T atomicMin(T* p, std::type_identity_t<T> v) { return simt_rmw(p, [=](T o) { return std::min(o, v); }); }
template <class T> T atomicExch(T* p, std::type_identity_t<T> v) { return simt_rmw(p, [=](T) { return v; }); }
template <class T> T atomicCAS(T* p, std::type_identity_t<T> e, std::type_identity_t<T> v) { return simt_rmw(p, [=](T o) { return o == e ? v : o; }); }

// --- arithmetic ---
inline float exp2_approx(float x) { return std::exp2(x); }
inline float log2_approx(float x) { return std::log2(x); }
inline void sincospif(float x, float* sine, float* cosine) {
  const double angle = 3.14159265358979323846 * x;
  *sine = static_cast<float>(std::sin(angle)), *cosine = static_cast<float>(std::cos(angle));
}
inline float __expf(float x) { return std::exp(x); }
inline float __logf(float x) { return std::log(x); }
inline float __fdividef(float a, float b) { return a / b; }
inline float rsqrtf(float x) { return 1 / std::sqrt(x); }
inline int __float_as_int(float f) { return std::bit_cast<int>(f); }
inline float __int_as_float(int i) { return std::bit_cast<float>(i); }
inline int __popc(uint32_t x) { return __builtin_popcount(x); }
inline int __ffs(int x) { return __builtin_ffs(x); }
template <class T> T __ldg(const T* p) { return *p; }
template <class T> requires std::is_arithmetic_v<T> T min(T a, T b) { return b < a ? b : a; }
template <class T> requires std::is_arithmetic_v<T> T max(T a, T b) { return a < b ? b : a; }

struct __nv_bfloat16 { uint16_t bits; };
struct alignas(4) __nv_bfloat162 { __nv_bfloat16 x, y; };
using __half = _Float16;
inline __nv_bfloat16 __float2bfloat16(float f) {   // to nearest, ties to even
  uint32_t u = std::bit_cast<uint32_t>(f);
  if ((u & 0x7fffffff) > 0x7f800000) return {0x7fff};
  return {uint16_t((u + 0x7fff + (u >> 16 & 1)) >> 16)};
}
inline float __bfloat162float(__nv_bfloat16 b) { return std::bit_cast<float>(uint32_t(b.bits) << 16); }
inline __nv_bfloat162 __floats2bfloat162_rn(float x, float y) { return {__float2bfloat16(x), __float2bfloat16(y)}; }
inline float2 __bfloat1622float2(__nv_bfloat162 b) { return {__bfloat162float(b.x), __bfloat162float(b.y)}; }
inline __half __float2half(float f) { return __half(f); }
inline float __half2float(__half h) { return float(h); }

inline void __pipeline_memcpy_async(void* to, const void* from, size_t n, simt::Site s = simt::Site::current()) { simt::copy_async(to, from, n, s); }
inline void __pipeline_commit() { simt::copy_commit(); }
inline void __pipeline_wait_prior(int n) { simt::copy_wait(n); }

// --- tensor cores: what a warp computes together; every lane brings pointers to its fragments and reads the others' ---
template <class Sum, class Add> SIMT_QUIET void simt_mma(const char* op, Sum (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], const Sum (&c)[4], Add add, simt::Site s) {
  struct Fragments { const uint32_t *a, *b; } mine{a, b};
  const uint64_t* v = simt::meet(op, ~0u, simt::pack(&mine), s);
  const int l = int(simt::lane()), group = l >> 2, pair = l & 3;
  Sum out[4];
  for (int i = 0; i < 4; i++) {  // element (row, column) of D held in d[i]
    const int row = group + 8 * (i >> 1), column = pair * 2 + (i & 1);
    Sum sum = c[i];
    for (int word = 0; word < 8; word++) {
      const auto* pa = simt::unpack<Fragments*>(v[(row & 7) * 4 + (word & 3)]);
      const auto* pb = simt::unpack<Fragments*>(v[column * 4 + (word & 3)]);
      sum = add(sum, pa->a[(row >> 3) + 2 * (word >> 2)], pb->b[word >> 2]);
    }
    out[i] = sum;
  }
  simt::meet(op, ~0u, 0, s);  // nobody's fragments die before everybody has read them
  for (int i = 0; i < 4; i++) d[i] = out[i];
}
inline float simt_bf16(uint32_t word, int high) { return std::bit_cast<float>(high ? word & 0xffff0000 : word << 16); }
inline float simt_f16(uint32_t word, int high) { return float(std::bit_cast<_Float16>(uint16_t(high ? word >> 16 : word & 0xffff))); }
SIMT_QUIET inline void mma_bf16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], const float (&c)[4], simt::Site s = simt::Site::current()) {
  simt_mma("mma_bf16", d, a, b, c, [](float sum, uint32_t x, uint32_t y) SIMT_QUIET { return sum + simt_bf16(x, 0) * simt_bf16(y, 0) + simt_bf16(x, 1) * simt_bf16(y, 1); }, s);
}
SIMT_QUIET inline void mma_f16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], const float (&c)[4], simt::Site s = simt::Site::current()) {
  simt_mma("mma_f16", d, a, b, c, [](float sum, uint32_t x, uint32_t y) SIMT_QUIET { return sum + simt_f16(x, 0) * simt_f16(y, 0) + simt_f16(x, 1) * simt_f16(y, 1); }, s);
}
inline int __dp4a(int a, int b, int c) {  // four whole numbers of 8 bits each
  for (int i = 0; i < 32; i += 8) c += int(int8_t(a >> i)) * int(int8_t(b >> i));
  return c;
}
SIMT_QUIET inline void mma_s8(int (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], const int (&c)[4], simt::Site s = simt::Site::current()) {
  simt_mma("mma_s8", d, a, b, c, [](int sum, uint32_t x, uint32_t y) SIMT_QUIET { return __dp4a(int(x), int(y), sum); }, s);
}

// --- the runtime: device memory is host memory, fresh memory is NaN, streams run at once ---
using cudaError_t = int;
using cudaStream_t = void*;
using cudaEvent_t = void*;
constexpr cudaError_t cudaSuccess = 0;
enum cudaMemcpyKind { cudaMemcpyHostToDevice, cudaMemcpyDeviceToHost, cudaMemcpyDeviceToDevice, cudaMemcpyDefault };
enum cudaFuncAttribute { cudaFuncAttributeMaxDynamicSharedMemorySize };
enum { cudaStreamNonBlocking = 1, cudaEventDisableTiming = 2, cudaEventBlockingSync = 1 };
inline cudaError_t cudaMalloc(void** p, size_t n) {
  *p = std::aligned_alloc(256, (n + 255) / 256 * 256);
  if (!*p) return 2;
  std::memset(*p, 0xff, n);
  return 0;
}
inline cudaError_t cudaFree(void* p) { std::free(p); return 0; }
inline cudaError_t cudaMallocHost(void** p, size_t n) { *p = std::malloc(n); return *p ? 0 : 2; }
inline cudaError_t cudaFreeHost(void* p) { std::free(p); return 0; }
inline cudaError_t cudaMemcpyAsync(void* d, const void* s, size_t n, cudaMemcpyKind, cudaStream_t = nullptr) { std::memcpy(d, s, n); return 0; }
inline cudaError_t cudaMemsetAsync(void* d, int v, size_t n, cudaStream_t = nullptr) { std::memset(d, v, n); return 0; }
inline cudaError_t cudaStreamCreateWithFlags(cudaStream_t* s, int) { *s = nullptr; return 0; }
inline cudaError_t cudaStreamDestroy(cudaStream_t) { return 0; }
inline cudaError_t cudaStreamSynchronize(cudaStream_t) { return 0; }
inline cudaError_t cudaEventCreateWithFlags(cudaEvent_t* e, int) { *e = nullptr; return 0; }
inline cudaError_t cudaEventDestroy(cudaEvent_t) { return 0; }
inline cudaError_t cudaEventRecord(cudaEvent_t, cudaStream_t) { return 0; }
inline cudaError_t cudaEventSynchronize(cudaEvent_t) { return 0; }
inline cudaError_t cudaSetDevice(int) { return 0; }
inline cudaError_t cudaGetLastError() { return 0; }
inline const char* cudaGetErrorString(cudaError_t) { return "out of memory"; }
template <class K> cudaError_t cudaFuncSetAttribute(K* k, cudaFuncAttribute, int bytes) { simt::allow_dynamic(reinterpret_cast<const void*>(k), bytes); return 0; }
