// SPDX-License-Identifier: Apache-2.0
#include "ctl/store_session.h"

#include <fmt/format.h>
#include <unistd.h>

namespace flannel {

Result<StoreSession> StoreSession::open(const CtlOptions& options) {
  const std::string& path = options.store.sqlite_path;
  if (options.store.kind == StoreKind::sqlite && ::access(path.c_str(), F_OK) != 0) {
    return os_error("open " + path + " (\"flannelctl config set\" makes it)");
  }
  return open_or_make(options);
}

Result<StoreSession> StoreSession::open_or_make(const CtlOptions& options) {
  auto loop = TRY(EpollLoop::open());
  auto registry = TRY(open_registry(options.store, *loop));
  return StoreSession(std::move(loop), std::move(registry), options.timeout);
}

StoreSession::StoreSession(std::unique_ptr<EpollLoop> loop, std::unique_ptr<Registry> registry,
                           std::chrono::milliseconds timeout)
    : loop_(std::move(loop)),
      registry_(std::move(registry)),
      timeout_(timeout),
      deadline_(BootClock::now() + timeout) {}

template <typename T>
Result<T> StoreSession::wait_for(const std::function<void(Reply<T>)>& call) {
  // Shared with the reply, which may come, to nobody, after the deadline.
  const auto answer = std::make_shared<std::optional<Result<T>>>();
  call([answer, loop = loop_.get()](Result<T> result) {
    *answer = std::move(result);
    loop->stop();
  });
  const auto timer = loop_->at(deadline_, [this] { loop_->stop(); });
  TRY(loop_->run());
  if (answer->has_value()) return **std::move(answer);
  return fail(ErrorKind::unavailable, fmt::format("no answer from {} within {} ms (--timeout)",
                                                  describe(), timeout_.count()));
}

Result<Snapshot> StoreSession::snapshot() {
  return wait_for<Snapshot>(
      [this](Reply<Snapshot> reply) { registry_->snapshot(std::move(reply)); });
}

Result<Revision> StoreSession::write_config(std::string text, Revision seen) {
  return wait_for<Revision>([&](Reply<Revision> reply) {
    registry_->write_config(std::move(text), seen, std::move(reply));
  });
}

}  // namespace flannel
