#include "queue.h"

#include <algorithm>
#include <exception>
#include <future>
#include <new>
#include <stdexcept>
#include <unordered_set>
#include <utility>

namespace ha {

Queue::Queue(std::unique_ptr<Hardware> hardware, size_t memoryLimit)
    : hardware_(std::move(hardware)),
      memory(*hardware_, memoryLimit ? memoryLimit : hardware_->memoryLimit(),
             [this](std::vector<void*> blocks) {
               enqueue({"", {}, {}, [this, blocks = std::move(blocks)](Context&) {
                          for (void* block : blocks) hardware_->free(block);
                        }, {}});
             },
             [this] { settle(); }),
      worker_([this] { work(); }) {}

Queue::~Queue() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_one();
  worker_.join();
  hardware_->finish();
  for (Task& task : tasks_)
    if (task.done) task.done("the device was closed");
}

BufferRef Queue::allocate(DType dtype, int64_t count, bool fresh) {
  auto buffer = std::make_shared<Buffer>(Buffer{nullptr, count, dtype, {}, {}});
  buffer->data = memory.allocate(buffer->bytes(), fresh);
  return buffer;
}

void Queue::release(const BufferRef& buffer) {
  if (recording_) recording_->held.push_back(buffer);
  else memory.free(buffer->data, buffer->bytes());
}

void Queue::push(Task task) {
  if (recording_) recording_->tasks.push_back(std::move(task));
  else enqueue(std::move(task));
}

void Queue::enqueue(Task task) {
  bool wasEmpty;
  {
    std::lock_guard lock(mutex_);
    wasEmpty = tasks_.empty();
    tasks_.push_back(std::move(task));
  }
  if (wasEmpty) wake_.notify_one();
}

void Queue::settle() {
  std::promise<void> reached;
  enqueue({"", {}, {}, [](Context&) {}, [&](const std::string&) { reached.set_value(); }});
  reached.get_future().wait();
}

void Queue::write(const BufferRef& buffer, const void* from) {
  auto staged = std::make_shared<std::vector<char>>(static_cast<const char*>(from), static_cast<const char*>(from) + buffer->bytes());
  enqueue({"upload", {}, {buffer}, [this, staged, buffer](Context&) { hardware_->toDevice(buffer->data, staged->data(), staged->size()); }, {}});
}

void Queue::read(const BufferRef& buffer, void* to, std::function<void(const std::string&)> done) {
  if (recording_) throw std::invalid_argument("read: ops are being recorded; read after the recording was replayed");
  enqueue({"", {buffer}, {}, [this, buffer, to, done](Context&) {
             std::vector<int> faults;
             for (const auto& fault : buffer->faults) faults.push_back(fault->number);
             using Answer = std::pair<std::function<void(const std::string&)>, BufferRef>;
             hardware_->toHost(to, buffer->data, buffer->bytes(), faults.data(), static_cast<int>(faults.size()),
                               [](void* data, const char* error) {
                                 std::unique_ptr<Answer> answer(static_cast<Answer*>(data));
                                 answer->first(error ? error : "");
                               },
                               new Answer(done, buffer));
           }, done, true});
}

void Queue::work() {
  hardware_->begin();
  std::deque<Task> batch;
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [&] { return stop_ || !tasks_.empty(); });
      if (stop_) return;
      batch.swap(tasks_);
    }
    while (!batch.empty()) {
      runTask(batch.front());
      batch.pop_front();
      std::lock_guard lock(mutex_);
      if (!stop_) continue;
      for (auto task = batch.rbegin(); task != batch.rend(); ++task) tasks_.push_front(std::move(*task));
      return;
    }
  }
}

void Queue::runTask(Task& task) {
  std::string error;
  found_.clear();
  for (const BufferRef& buffer : task.reads) {
    if (error.empty()) error = buffer->error;
    for (const auto& fault : buffer->faults)
      if (std::find(found_.begin(), found_.end(), fault) == found_.end()) found_.push_back(fault);
  }
  const bool runs = error.empty();
  if (runs) {
    try {
      task.run(hardware_->context());
    } catch (const std::bad_alloc&) {
      error = task.name + ": out of memory for its working space";
    } catch (const std::exception& exception) {
      error = exception.what();  // names the op itself (fail.h)
    }
    if (const char* late = hardware_->finishOp(); late && error.empty()) error = late;
    if (const int number = hardware_->takeFault()) found_.push_back(std::make_shared<Fault>(hardware_, number));
  }
  for (const BufferRef& buffer : task.writes) buffer->error = error, buffer->faults = found_;
  if (task.done && !(task.answersItself && runs)) task.done(error);
}

void Queue::beginRecording() {
  if (recording_) throw std::invalid_argument("record: a recording is under way");
  recording_ = std::make_shared<Recording>();
}

std::shared_ptr<Recording> Queue::endRecording() { return std::move(recording_); }

void Queue::replay(const std::shared_ptr<Recording>& recording) {
  if (recording_) throw std::invalid_argument("replay: a recording is under way");
  Task task{"replay", {}, {}, [this, recording](Context&) { runRecording(*recording); }, {}};
  // it reads what it does not itself write before
  std::unordered_set<const Buffer*> written;
  for (const Task& step : recording->tasks) {
    for (const BufferRef& buffer : step.reads)
      if (!written.count(buffer.get())) task.reads.push_back(buffer);
    for (const BufferRef& buffer : step.writes)
      if (written.insert(buffer.get()).second) task.writes.push_back(buffer);
  }
  enqueue(std::move(task));
}

/// The first time one by one, which also warms up; then kept by the hardware, if it can; from then on replayed.
void Queue::runRecording(Recording& recording) {
  const bool capture = recording.runs == 1 && hardware_->beginCapture();
  if (!recording.capture) {
    std::string error;
    recording.faults.clear();
    for (Task& task : recording.tasks) {
      task.run(hardware_->context());
      if (const char* late = hardware_->finishOp()) error = late;
      if (const int number = hardware_->takeFault()) recording.faults.push_back(std::make_shared<Fault>(hardware_, number));
      if (!error.empty()) break;
    }
    if (capture) recording.capture = hardware_->endCapture();
    if (!error.empty()) throw std::runtime_error(error);
  }
  if (recording.capture) hardware_->replay(recording.capture);
  found_.insert(found_.end(), recording.faults.begin(), recording.faults.end());
  recording.runs++;
}

void Queue::dispose(const std::shared_ptr<Recording>& recording) {
  for (const BufferRef& buffer : recording->held) release(buffer);
  recording->held.clear();
  enqueue({"", {}, {}, [this, recording](Context&) {
             if (recording->capture) hardware_->dropCapture(std::exchange(recording->capture, nullptr));
             recording->tasks.clear();
             recording->faults.clear();
           }, {}});
}

}  // namespace ha
