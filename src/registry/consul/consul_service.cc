// SPDX-License-Identifier: Apache-2.0
#include "registry/consul/consul_service.h"

#include <chrono>
#include <utility>

#include "base/log.h"

namespace flannel {
namespace {

constexpr std::chrono::minutes kRefresh{5};
constexpr std::chrono::seconds kShortestRetry{1};
constexpr std::chrono::seconds kLongestRetry{60};

std::string advice(const Error& error) {
  if (error.kind != ErrorKind::denied) return error.text;
  return error.text + "; the token needs a policy with service \"flanneld\" { policy = \"write\" }";
}

}  // namespace

ConsulService::ConsulService(ConsulAccess access, ConsulServiceEntry entry, Loop& loop)
    : loop_(loop),
      entry_(std::move(entry)),
      pauses_(kShortestRetry, kLongestRetry),
      client_(std::move(access.session), {{"ns", access.name_space}}, loop) {
  put();
}

void ConsulService::put() {
  client_.put("/v1/agent/service/register?replace-existing-checks=true",
              encode_service(entry_.id, entry_.port, entry_.check_url),
              [this](const Result<ConsulAnswer>& answer) { answered(answer); });
}

void ConsulService::answered(const Result<ConsulAnswer>& answer) {
  Duration pause = kRefresh;
  if (answer) {
    pauses_.reset();
    refused_.clear();
    if (!registered_) log::info("registered as a service of Consul", {{"id", entry_.id}});
    registered_ = true;
  } else {
    pause = pauses_.next();
    if (refused_.first_time(answer.error().text)) {
      log::warning("cannot register as a service of Consul", {{"why", advice(answer.error())}});
    }
  }
  timer_ = loop_.at(loop_.now() + pause, [this] { put(); });
}

}  // namespace flannel
