#include "queue.h"

#include <cstdlib>
#include <exception>
#include <new>

namespace ha {

Queue::Queue(const Backend& backend, int threads, size_t memoryLimit)
    : memory(memoryLimit,
             [this](std::vector<void*> blocks) {
               push({"", {}, {}, [blocks = std::move(blocks)](Context&) {
                       for (void* block : blocks) std::free(block);
                     }, {}});
             }),
      backend_(backend), pool_(threads), worker_([this] { work(); }) {}

Queue::~Queue() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_one();
  worker_.join();
  for (Task& task : tasks_)
    if (task.done) task.done("the device was closed");
}

BufferRef Queue::allocate(DType dtype, int64_t count, bool fresh) {
  void* data = memory.allocate(static_cast<size_t>(count) * 4, fresh);
  return std::make_shared<Buffer>(Buffer{data, count, dtype, {}});
}

void Queue::release(const BufferRef& buffer) { memory.free(buffer->data, static_cast<size_t>(buffer->count) * 4); }

void Queue::push(Task task) {
  bool wasEmpty;
  {
    std::lock_guard lock(mutex_);
    wasEmpty = tasks_.empty();
    tasks_.push_back(std::move(task));
  }
  if (wasEmpty) wake_.notify_one();
}

void Queue::work() {
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
  for (const BufferRef& buffer : task.reads)
    if (!buffer->error.empty()) {
      error = buffer->error;
      break;
    }
  if (error.empty()) {
    try {
      task.run(pool_);
    } catch (const std::bad_alloc&) {
      error = task.name + ": out of memory for its working space";
    } catch (const std::exception& exception) {
      error = exception.what();  // names the op itself (fail.h)
    }
    pool_.reset();
  }
  for (const BufferRef& buffer : task.writes) buffer->error = error;
  if (task.done) task.done(error);
}

}  // namespace ha
