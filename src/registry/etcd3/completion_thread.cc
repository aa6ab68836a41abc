// SPDX-License-Identifier: Apache-2.0
#include "registry/etcd3/completion_thread.h"

namespace flannel {

CompletionThread::CompletionThread(LoopGate::Sender sender)
    : sender_(std::move(sender)), thread_([this] { run(); }) {}

CompletionThread::~CompletionThread() {
  queue_.Shutdown();
  thread_.join();
}

void CompletionThread::run() {
  void* tag = nullptr;
  bool ok = false;
  while (queue_.Next(&tag, &ok)) {
    std::shared_ptr<Completion> done(static_cast<Completion*>(tag));
    sender_.post(
        [done = std::move(done), ok] { done->sender().post([done, ok] { done->complete(ok); }); });
  }
}

}  // namespace flannel
