// What JavaScript sees: `levels()`, `ops()` and the class `Device` (src/addon.ts holds its types).
#include <napi.h>

#include <cstring>
#include <memory>
#include <unordered_map>
#include "arguments.h"
#include "../device/library.h"
#include "../device/processor.h"
#include "completions.h"

namespace ha {
namespace {

using Enqueue = void (*)(Queue&, const double* frame, const Handles&);

template <class Arguments, void (*Backend::*op)(Context&, const Arguments&)>
void enqueue(const char* name, Queue& queue, const double* frame, const Handles& handles) {
  Arguments arguments{};
  ReadArguments reader(name, frame, handles);
  arguments.fields(reader);
  const auto kernel = queue.backend().*op;
  queue.push({name, std::move(reader.reads), std::move(reader.writes), [kernel, arguments](Context& context) { kernel(context, arguments); }, {}});
}

struct Op {
  const char* name;
  Enqueue enqueue;
  std::vector<ListFields::Field> (*fields)();
};
template <class Arguments> std::vector<ListFields::Field> fieldsOf() {
  Arguments arguments{};
  ListFields list;
  arguments.fields(list);
  return list.fields;
}
const Op kOps[] = {
#define OP(name, Arguments)                                                                                                        \
  {#name, [](Queue& queue, const double* frame, const Handles& handles) { enqueue<Arguments, &Backend::name>(#name, queue, frame, handles); }, \
   fieldsOf<Arguments>},
#include "../ops/table.def"
#undef OP
};

/// Runs `body`; a C++ exception becomes a JavaScript error with the JavaScript stack.
template <class F> Napi::Value guarded(Napi::Env env, F body) {
  try {
    return body();
  } catch (const OutOfMemory& error) {
    throw Napi::RangeError::New(env, error.what());
  } catch (const std::invalid_argument& error) {
    throw Napi::TypeError::New(env, error.what());
  }
}

class Device : public Napi::ObjectWrap<Device> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "Device",
                       {InstanceMethod<&Device::allocate>("allocate"), InstanceMethod<&Device::upload>("upload"), InstanceMethod<&Device::read>("read"),
                        InstanceMethod<&Device::write>("write"), InstanceMethod<&Device::dtype>("dtype"), InstanceMethod<&Device::release>("release"), InstanceMethod<&Device::run>("run"), InstanceMethod<&Device::memory>("memory"),
                        InstanceMethod<&Device::beginRecording>("beginRecording"), InstanceMethod<&Device::endRecording>("endRecording"),
                        InstanceMethod<&Device::pauseRecording>("pauseRecording"), InstanceMethod<&Device::resumeRecording>("resumeRecording"),
                        InstanceMethod<&Device::replay>("replay"), InstanceMethod<&Device::disposeRecording>("disposeRecording"),
                        InstanceMethod<&Device::trim>("trim"), InstanceMethod<&Device::close>("close")});
  }

  /// new Device(name, level, threads, memoryLimit, frame: Float64Array); level and threads are the processor's
  explicit Device(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Device>(info) {
    const Napi::Env env = info.Env();
    const std::string name = info[0].As<Napi::String>();
    const std::string level = info[1].As<Napi::String>();
    std::string why = "this processor or this binary has no instruction-set level \"" + level + "\"";
    auto hardware = name == "cpu" ? openProcessor(level.c_str(), info[2].As<Napi::Number>().Int32Value()) : openLibraryDevice(name, why);
    if (!hardware) throw Napi::Error::New(env, why);
    frame_ = Napi::Persistent(info[4].As<Napi::Float64Array>());
    completions_ = std::make_unique<Completions>(env);
    queue_ = std::make_unique<Queue>(std::move(hardware), static_cast<size_t>(info[3].As<Napi::Number>().Int64Value()));
    napi_add_env_cleanup_hook(env, cleanUp, this);
    env_ = env;
  }
  ~Device() override {
    napi_remove_env_cleanup_hook(env_, cleanUp, this);
    shutDown();
  }

 private:
  static void cleanUp(void* self) { static_cast<Device*>(self)->shutDown(); }
  void shutDown() {
    if (!queue_) return;
    queue_.reset();
    completions_->close();
  }
  Queue& queue() {
    if (!queue_) throw Napi::Error::New(env_, "the device was closed");
    return *queue_;
  }
  static DType dtypeOf(const Napi::Value& value) { return static_cast<DType>(value.As<Napi::Number>().Int32Value()); }
  Napi::Value handle(Napi::Env env, BufferRef buffer) {
    Napi::MemoryManagement::AdjustExternalMemory(env, static_cast<int64_t>(buffer->bytes()));
    return Napi::Number::New(env, handles_.add(std::move(buffer)));
  }

  /// allocate(dtype, count) → handle of uninitialised memory
  Napi::Value allocate(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&] { return handle(info.Env(), queue().allocate(dtypeOf(info[0]), info[1].As<Napi::Number>().Int64Value())); });
  }

  /// upload(typed array, dtype) → handle. The array may be changed as soon as this returns.
  Napi::Value upload(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&]() -> Napi::Value {
      const auto array = info[0].As<Napi::TypedArray>();
      const void* from = bytesOfArray(array);
      const bool direct = queue().hardware().shared() && array.ByteLength() >= kDirectUpload;
      BufferRef buffer = queue().allocate(dtypeOf(info[1]), static_cast<int64_t>(array.ElementLength()), direct);
      if (direct) std::memcpy(buffer->data, from, buffer->bytes());
      else queue().write(buffer, from);
      return handle(info.Env(), std::move(buffer));
    });
  }

  /// write(handle, typed array): new numbers in a tensor's memory, behind what is queued
  void write(const Napi::CallbackInfo& info) {
    const BufferRef buffer = handles_.get(info[0].As<Napi::Number>().DoubleValue());
    const auto array = info[1].As<Napi::TypedArray>();
    if (!buffer) throw Napi::TypeError::New(info.Env(), "write: the tensor was disposed of");
    if (array.ByteLength() != buffer->bytes())
      throw Napi::TypeError::New(info.Env(), "write: " + std::to_string(array.ByteLength()) + " bytes for a tensor of " + std::to_string(buffer->bytes()));
    queue().write(buffer, bytesOfArray(array));
  }

  /// read(handle) → Promise<ArrayBuffer>
  Napi::Value read(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&]() -> Napi::Value {
      const Napi::Env env = info.Env();
      const BufferRef buffer = handles_.get(info[0].As<Napi::Number>().DoubleValue());
      if (!buffer) throw Napi::TypeError::New(env, "read: the tensor was disposed of");
      Napi::ArrayBuffer target = Napi::ArrayBuffer::New(env, buffer->bytes());
      Queue& device = queue();
      if (device.recording()) throw Napi::Error::New(env, "read: ops are being recorded; read after the recording was replayed");
      auto [id, promise] = completions_->add(env, target);
      device.read(buffer, target.Data(), [completions = completions_.get(), id = id](const std::string& error) { completions->settle(id, error); });
      return promise;
    });
  }

  /// dtype(handle) → its number; −1 for a tensor that was disposed of
  Napi::Value dtype(const Napi::CallbackInfo& info) {
    const BufferRef buffer = handles_.get(info[0].As<Napi::Number>().DoubleValue());
    return Napi::Number::New(info.Env(), buffer ? static_cast<int>(buffer->dtype) : -1);
  }

  /// release(handle): the memory is free for later ops; releasing twice does nothing.
  void release(const Napi::CallbackInfo& info) {
    if (!queue_) return;
    if (const BufferRef buffer = handles_.remove(info[0].As<Napi::Number>().DoubleValue())) {
      Napi::MemoryManagement::AdjustExternalMemory(info.Env(), -static_cast<int64_t>(buffer->bytes()));
      queue_->release(buffer);
    }
  }

  /// run(op): the arguments stand in the frame
  void run(const Napi::CallbackInfo& info) {
    guarded(info.Env(), [&]() -> Napi::Value {
      kOps[info[0].As<Napi::Number>().Uint32Value()].enqueue(queue(), frame_.Value().Data(), handles_);
      return info.Env().Undefined();
    });
  }

  Napi::Value memory(const Napi::CallbackInfo& info) {
    const Memory& memory = queue().memory;
    auto result = Napi::Object::New(info.Env());
    result["live"] = static_cast<double>(memory.live());
    result["cached"] = static_cast<double>(memory.cached());
    result["peak"] = static_cast<double>(memory.peak());
    result["limit"] = static_cast<double>(memory.limit());
    if (info[0].ToBoolean()) queue().memory.resetPeak();
    return result;
  }

  /// trim(): gives the cached memory back to the system, behind the ops that are queued
  void trim(const Napi::CallbackInfo&) { queue().memory.trim(); }

  /// beginRecording(): ops are kept instead of run; endRecording() → number of the recording
  void beginRecording(const Napi::CallbackInfo& info) {
    guarded(info.Env(), [&]() -> Napi::Value { return queue().beginRecording(), info.Env().Undefined(); });
  }
  /// pauseRecording(): until resumeRecording(), ops run once instead of being kept
  void pauseRecording(const Napi::CallbackInfo&) { queue().pauseRecording(); }
  void resumeRecording(const Napi::CallbackInfo&) { queue().resumeRecording(); }
  Napi::Value endRecording(const Napi::CallbackInfo& info) {
    recordings_[++lastRecording_] = queue().endRecording();
    return Napi::Number::New(info.Env(), lastRecording_);
  }
  void replay(const Napi::CallbackInfo& info) {
    guarded(info.Env(), [&]() -> Napi::Value {
      const auto found = recordings_.find(info[0].As<Napi::Number>().Uint32Value());
      if (found == recordings_.end()) throw std::invalid_argument("replay: the recording was disposed of");
      return queue().replay(found->second), info.Env().Undefined();
    });
  }
  void disposeRecording(const Napi::CallbackInfo& info) {
    const auto found = recordings_.find(info[0].As<Napi::Number>().Uint32Value());
    if (found == recordings_.end()) return;
    if (queue_) queue_->dispose(found->second);
    recordings_.erase(found);
  }

  void close(const Napi::CallbackInfo&) { shutDown(); }

  static const void* bytesOfArray(const Napi::TypedArray& array) { return static_cast<const char*>(array.ArrayBuffer().Data()) + array.ByteOffset(); }
  static constexpr size_t kDirectUpload = 1 << 20;
  std::unique_ptr<Completions> completions_;
  std::unique_ptr<Queue> queue_;
  Handles handles_;
  std::unordered_map<uint32_t, std::shared_ptr<Recording>> recordings_;
  uint32_t lastRecording_ = 0;
  Napi::Reference<Napi::Float64Array> frame_;
  napi_env env_;
};

Napi::Value levels(const Napi::CallbackInfo& info) {
  auto result = Napi::Array::New(info.Env());
  uint32_t count = 0;
  for (const char* const* level = cpuLevels(); *level; level++) result[count++] = Napi::String::New(info.Env(), *level);
  return result;
}

Napi::Array listFields(Napi::Env env, const std::vector<ListFields::Field>& fields) {
  auto list = Napi::Array::New(env);
  uint32_t number = 0;
  for (const auto& field : fields) {
    auto item = Napi::Object::New(env);
    item["name"] = field.name, item["role"] = field.role;
    if (!field.items.empty()) item["items"] = listFields(env, field.items);
    list[number++] = item;
  }
  return list;
}

Napi::Value ops(const Napi::CallbackInfo& info) {
  auto result = Napi::Array::New(info.Env());
  uint32_t count = 0;
  for (const Op& op : kOps) {
    auto entry = Napi::Object::New(info.Env());
    entry["name"] = op.name, entry["fields"] = listFields(info.Env(), op.fields());
    result[count++] = entry;
  }
  return result;
}

/// devices(): what the libraries for GPUs offer: { kind, devices: { name, description, memory }[], missing? }
Napi::Value devices(const Napi::CallbackInfo& info) {
  auto result = Napi::Array::New(info.Env());
  uint32_t count = 0;
  for (const LibraryDevices& library : listLibraryDevices()) {
    auto entry = Napi::Object::New(info.Env());
    auto list = Napi::Array::New(info.Env());
    for (uint32_t i = 0; i < library.devices.size(); i++) {
      auto device = Napi::Object::New(info.Env());
      device["name"] = library.devices[i].name, device["description"] = library.devices[i].description;
      device["memory"] = static_cast<double>(library.devices[i].memory);
      list[i] = device;
    }
    entry["kind"] = library.kind, entry["devices"] = list;
    if (!library.missing.empty()) entry["missing"] = library.missing;
    result[count++] = entry;
  }
  return result;
}

Napi::Object initialise(Napi::Env env, Napi::Object exports) {
  exports["levels"] = Napi::Function::New(env, levels);
  exports["ops"] = Napi::Function::New(env, ops);
  exports["devices"] = Napi::Function::New(env, devices);
  exports["Device"] = Device::define(env);
  return exports;
}

}  // namespace
}  // namespace ha

static Napi::Object initialise(Napi::Env env, Napi::Object exports) { return ha::initialise(env, exports); }
NODE_API_MODULE(hidden_attention, initialise)
