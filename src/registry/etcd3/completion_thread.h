// SPDX-License-Identifier: Apache-2.0
// The one thread that waits for gRPC. Everything is started on the loop thread; when an operation
// is done, this thread posts it back there. So no state is shared, and gRPC's calls need no lock.
#pragma once

#include <grpcpp/completion_queue.h>

#include <memory>
#include <thread>

#include "loop/loop_gate.h"

namespace flannel {

// One operation under way. Its address is the tag given to gRPC, which from then on owns it.
class Completion {
 public:
  virtual ~Completion() = default;
  // On the loop thread. `ok` as gRPC defines it for the operation.
  virtual void complete(bool ok) = 0;
};

class CompletionThread {
 public:
  explicit CompletionThread(LoopGate::Sender sender);
  // Waits for all operations; whoever started them must have cancelled them.
  ~CompletionThread();
  CompletionThread(const CompletionThread&) = delete;
  CompletionThread& operator=(const CompletionThread&) = delete;

  grpc::CompletionQueue& queue() { return queue_; }

 private:
  void run();

  LoopGate::Sender sender_;
  grpc::CompletionQueue queue_;
  std::thread thread_;
};

}  // namespace flannel
