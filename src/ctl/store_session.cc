// SPDX-License-Identifier: Apache-2.0
#include "ctl/store_session.h"

#include <fmt/format.h>
#include <unistd.h>

#include "ctl/wait_for_answer.h"

namespace flannel {
namespace {

// Returns what an operator can do about a failure; empty if the text of the error already says it.
std::string_view advice(ErrorKind kind, StoreKind store) {
  if (kind == ErrorKind::unavailable && store == StoreKind::etcd) {
    return "; is --etcd-endpoints right, and does etcd run?";
  }
  if (kind == ErrorKind::denied && store == StoreKind::etcd) {
    return "; look at --etcd-username, --etcd-password and the certificates";
  }
  if (kind == ErrorKind::unavailable && store == StoreKind::consul) {
    return "; is --consul-endpoints right, and does Consul run?";
  }
  if (kind == ErrorKind::denied && store == StoreKind::consul) {
    return "; look at --consul-token-file and CONSUL_HTTP_TOKEN";
  }
  if (kind == ErrorKind::denied) return "; run it as the user that flanneld runs as";
  return "";
}

Failure advised(Error error, StoreKind store) {
  const bool says_it = error.text.find("--etcd-") != std::string::npos ||
                       error.text.find("--consul-") != std::string::npos ||
                       error.text.find('?') != std::string::npos;
  if (!says_it) error.text += advice(error.kind, store);
  return Failure(std::move(error));
}

}  // namespace

Result<StoreSession> StoreSession::open(const CtlOptions& options) {
  const std::string& path = options.store.sqlite_path;
  if (options.store.kind == StoreKind::sqlite && ::access(path.c_str(), F_OK) != 0) {
    return advised(os_error("open " + path + " (\"flannelctl config set\" makes it)").value(),
                   options.store.kind);
  }
  return open_or_make(options);
}

Result<StoreSession> StoreSession::open_or_make(const CtlOptions& options) {
  auto loop = TRY(EpollLoop::open());
  auto registry = open_registry(options.store, *loop);
  if (!registry) return advised(std::move(registry).error(), options.store.kind);
  return StoreSession(std::move(loop), *std::move(registry), options);
}

StoreSession::StoreSession(std::unique_ptr<EpollLoop> loop, std::unique_ptr<Registry> registry,
                           const CtlOptions& options)
    : loop_(std::move(loop)),
      registry_(std::move(registry)),
      kind_(options.store.kind),
      timeout_(options.timeout),
      deadline_(BootClock::now() + timeout_) {}

template <typename T>
Result<T> StoreSession::wait_for(const std::function<void(Reply<T>)>& call) {
  auto answer = wait_for_answer<T>(*loop_, call, deadline_);
  if (!answer) {
    answer = fail(ErrorKind::unavailable, fmt::format("no answer from {} within {} ms (--timeout)",
                                                      registry_->describe(), timeout_.count()));
  }
  if (!*answer) return advised(std::move(*answer).error(), kind_);
  return std::move(*answer);
}

Result<Snapshot> StoreSession::snapshot() {
  return wait_for<Snapshot>(
      [this](Reply<Snapshot> reply) { registry_->snapshot(std::move(reply)); });
}

Result<RemainingLives> StoreSession::remaining_lives(std::vector<Record> records) {
  return wait_for<RemainingLives>([&](Reply<RemainingLives> reply) {
    registry_->remaining_lives(std::move(records), std::move(reply));
  });
}

Result<Revision> StoreSession::write_config(std::string text, Revision seen) {
  return wait_for<Revision>([&](Reply<Revision> reply) {
    registry_->write_config(std::move(text), seen, std::move(reply));
  });
}

Result<void> StoreSession::remove_config(Revision seen) {
  return wait_for<void>(
      [&](Reply<void> reply) { registry_->remove_config(seen, std::move(reply)); });
}

Result<NetworkList> StoreSession::networks() {
  return wait_for<NetworkList>(
      [this](Reply<NetworkList> reply) { registry_->list_networks(std::move(reply)); });
}

Result<WriteResult> StoreSession::create(std::string key, std::string value, Ttl ttl) {
  return wait_for<WriteResult>([&](Reply<WriteResult> reply) {
    registry_->create_if_absent(std::move(key), std::move(value), ttl, std::move(reply));
  });
}

Result<WriteResult> StoreSession::replace(Record seen, std::string value, Ttl ttl) {
  return wait_for<WriteResult>([&](Reply<WriteResult> reply) {
    registry_->replace_if_unchanged(std::move(seen), std::move(value), ttl, std::move(reply));
  });
}

Result<void> StoreSession::release(Record seen) {
  return wait_for<void>([&](Reply<void> reply) {
    registry_->release_if_unchanged(std::move(seen), std::move(reply));
  });
}

}  // namespace flannel
