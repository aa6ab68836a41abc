// SPDX-License-Identifier: Apache-2.0
// The thread that waits for gRPC. Operations are started on the loop thread, and when one is done
// this thread posts it back there. No state is shared, so the calls of gRPC need no lock.
#pragma once

#include <grpcpp/completion_queue.h>

#include <memory>
#include <thread>
#include <utility>

#include "loop/loop_gate.h"

namespace flannel {

// One operation under way. Its address is the tag that is passed to gRPC, which then owns it.
class Completion {
 public:
  // `sender`: by which the loop calls complete(). It is read on the loop thread alone.
  explicit Completion(LoopGate::Sender sender) : sender_(std::move(sender)) {}
  virtual ~Completion() = default;
  // Called on the loop thread. `ok` has the meaning that gRPC defines for the operation.
  virtual void complete(bool ok) = 0;
  const LoopGate::Sender& sender() const { return sender_; }

 private:
  LoopGate::Sender sender_;
};

class CompletionThread {
 public:
  explicit CompletionThread(LoopGate::Sender sender);
  // Waits for all operations, which their owners must have cancelled.
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
