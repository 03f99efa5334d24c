// The library that device/library.cc loads: its table of ops, the devices it finds, and how it opens one. Compiled by nvcc for `cuda`, by
// the host compiler for `simt`.
#include <cstdio>
#include "../library.h"
#include "gpu_hardware.h"

namespace ha::gpu {
namespace {

/// Ops that read and write 16 bits themselves; all others see f32 only.
template <class Arguments> constexpr bool kReads16 = false;
template <> constexpr bool kReads16<Cast> = true;
template <> constexpr bool kReads16<SelectiveScan> = true;
template <> constexpr bool kReads16<SelectiveScanBackward> = true;
template <> constexpr bool kReads16<SelectiveScanTransposed> = true;
template <> constexpr bool kReads16<CausalConv1d> = true;
template <> constexpr bool kReads16<CausalConv1dBackward> = true;
template <> constexpr bool kReads16<Matmul> = true;
template <> constexpr bool kReads16<RmsNorm> = true;
template <> constexpr bool kReads16<RmsNormBackward> = true;
template <> constexpr bool kReads16<Unary> = true;
template <> constexpr bool kReads16<UnaryBackward> = true;
template <> constexpr bool kReads16<Binary> = true;
template <> constexpr bool kReads16<Embedding> = true;
template <> constexpr bool kReads16<SsdScan> = true;
template <> constexpr bool kReads16<SsdScanBackward> = true;
template <> constexpr bool kReads16<SsdScanTransposed> = true;
template <> constexpr bool kReads16<CopyBlocks> = true;
template <> constexpr bool kReads16<AppendPositions> = true;

template <class Arguments> void row(const char* name, void (*op)(Gpu&, const Arguments&), Context& context, const Arguments& arguments) {
  auto& work = static_cast<GpuHardware::Work&>(context);
  work.owner->guarded(name, [&] {
    if constexpr (!kReads16<Arguments>)
      if (anyNarrow(arguments)) return inF32(work, op, arguments);
    op(work, arguments);
  });
}

const Backend kBackend = {"gpu",
#define OP(name, Arguments) [](Context& context, const Arguments& arguments) { row<Arguments>(#name, gpu::name, context, arguments); },
#include "../../ops/table.def"
#undef OP
};

int countDevices(char* why, size_t size) {
#ifdef __CUDACC__
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (status == cudaSuccess && count > 0) return count;
  std::snprintf(why, size, "no CUDA device: %s", status == cudaSuccess ? "the driver lists none" : cudaGetErrorString(status));
  return 0;
#else
  (void)why, (void)size;
  return 1;
#endif
}

void describeDevice(int index, char* text, size_t size, size_t* memory) {
#ifdef __CUDACC__
  cudaDeviceProp properties;
  if (cudaGetDeviceProperties(&properties, index) != cudaSuccess) return;
  int driver = 0;
  cudaDriverGetVersion(&driver);
  std::snprintf(text, size, "%s, compute capability %d.%d, %d multiprocessors, driver for CUDA %d.%d", properties.name, properties.major,
                properties.minor, properties.multiProcessorCount, driver / 1000, driver % 1000 / 10);
  *memory = properties.totalGlobalMem;
#else
  (void)index;
  std::snprintf(text, size, "the CUDA kernels played by this processor, for tests");
  *memory = 0;
#endif
}

Hardware* openDevice(int index, char* why, size_t size) {
  try {
    return new GpuHardware(index, kBackend);
  } catch (const Failure& failure) {
    std::snprintf(why, size, "%s", failure.text.c_str());
  } catch (const std::exception& error) {
    std::snprintf(why, size, "%s", error.what());
  }
  return nullptr;
}

}  // namespace

const LibraryTable& libraryTable() {
  static const LibraryTable table = {libraryAbi(), countDevices, describeDevice, openDevice};
  return table;
}

}  // namespace ha::gpu

extern "C" __attribute__((visibility("default"))) const ha::LibraryTable* hidden_attention_library() { return &ha::gpu::libraryTable(); }
