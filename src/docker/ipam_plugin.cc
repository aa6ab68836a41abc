// SPDX-License-Identifier: Apache-2.0
#include "docker/ipam_plugin.h"

#include <fmt/format.h>

#include <cstdio>
#include <utility>

#include "base/file.h"
#include "base/log.h"
#include "docker/docker_pools_file.h"

namespace flannel {
namespace {

constexpr std::size_t kLongestFile = 64 << 20;  // bytes; an address has about 20
constexpr mode_t kFileMode = 0600;

// Docker reports all that a lost file had when it is started again.
DockerPools::State read_pools(const std::string& file) {
  auto text = read_file(file, kLongestFile);
  if (!text && text.error().kind == ErrorKind::not_found) return {};
  auto state =
      text ? decode_docker_pools(*text) : Result<DockerPools::State>(Failure(text.error()));
  if (state) return *std::move(state);
  const std::string aside = file + ".damaged";
  // What could not be read now may be whole.
  const bool is_kept = text && std::rename(file.c_str(), aside.c_str()) == 0;
  log::warning(
      "the addresses that Docker's containers have are not known: restart Docker, which reports "
      "them",
      {{"file", is_kept ? aside : file}, {"why", state.error().text}});
  return {};
}

// True if the refused call may be one of a replay for an address: Docker repeats a call that was
// cut off without its body.
bool may_lose_address(const HttpRequest& request, const Result<ipam::Call>& call) {
  if (!call) return request.path.starts_with("/IpamDriver.") && request.body.empty();
  const auto* one = std::get_if<AddressRequest>(&*call);
  return one != nullptr && one->address.has_value();
}

void log_call(const ipam::Call& call, const HttpResponse& response) {
  if (const auto* pool = std::get_if<PoolRequest>(&call)) {
    log::info("Docker has got a pool for a network",
              {{"network", pool->network.value_or("")}, {"answer", response.body}});
  } else if (const auto* gone = std::get_if<ipam::ReleasePool>(&call)) {
    log::info("Docker has given a pool back", {{"pool", to_string(gone->pool)}});
  } else if (const auto* address = std::get_if<ipam::ReleaseAddress>(&call)) {
    log::verbose(2, "Docker has given an address back", {{"address", to_string(address->address)}});
  } else if (std::holds_alternative<AddressRequest>(call)) {
    log::verbose(2, "Docker has got an address", {{"answer", response.body}});
  }
}

}  // namespace

IpamPlugin::IpamPlugin(std::string file, PoolHost& host, std::function<void()> on_change)
    : file_(std::move(file)),
      host_(host),
      on_change_(std::move(on_change)),
      pools_(read_pools(file_)) {
  publish();
}

HttpHandler IpamPlugin::handler() {
  return [this](const HttpRequest& request, const HttpReply& reply) { reply(answer(request)); };
}

std::vector<PoolUse> IpamPlugin::pools() const {
  const std::lock_guard lock(mutex_);
  return published_;
}

HttpResponse IpamPlugin::answer(const HttpRequest& request) {
  const auto call = ipam::parse_call(request.path, request.body);
  const auto response = call ? answer_call(*call) : Result<HttpResponse>(Failure(call.error()));
  if (response) {
    log_call(*call, *response);
    return *response;
  }
  if (may_lose_address(request, call)) pools_.lose_call();
  log::warning("Docker's request was refused",
               {{"call", request.path}, {"why", response.error().text}});
  return ipam::error_answer(request.path, response.error());
}

Result<HttpResponse> IpamPlugin::answer_call(const ipam::Call& call) {
  DockerPools next = pools_;
  HttpResponse response = ipam::done_answer();
  if (const auto* plain = std::get_if<ipam::Plain>(&call)) {
    response = TRY(answer_plain(*plain, next));
  } else if (const auto* wanted = std::get_if<PoolRequest>(&call)) {
    response = ipam::pool_answer(TRY(next.request_pool(*wanted, host_)));
  } else if (const auto* one = std::get_if<AddressRequest>(&call)) {
    response = ipam::address_answer(TRY(next.request_address(*one, host_)), one->pool);
  } else if (const auto* pool = std::get_if<ipam::ReleasePool>(&call)) {
    next.release_pool(pool->pool);
  } else if (const auto* address = std::get_if<ipam::ReleaseAddress>(&call)) {
    next.release_address(address->pool, address->address);
  }
  TRY(keep(std::move(next)));
  return response;
}

Result<HttpResponse> IpamPlugin::answer_plain(ipam::Plain call, DockerPools& pools) {
  switch (call) {
    case ipam::Plain::activate:
      pools.activate();
      return ipam::activate_answer();
    case ipam::Plain::network_capabilities:
      return ipam::network_capabilities_answer();
    case ipam::Plain::create_network:
      return no_driver();
    case ipam::Plain::capabilities:
      return ipam::capabilities_answer();
    case ipam::Plain::address_spaces:
      return ipam::address_spaces_answer();
  }
  return ipam::done_answer();
}

// The bridge and its MTU are Docker's.
Failure IpamPlugin::no_driver() {
  const auto networks = host_.networks();
  const bool is_one = networks.size() == 1;
  const std::uint32_t mtu = is_one ? host_.mtu(networks.front()) : 0;
  return fail(ErrorKind::invalid,
              fmt::format("there is no network driver flannel, but an IPAM driver for Docker's own "
                          "bridges: docker network create --ipam-driver flannel {}"
                          "-o com.docker.network.driver.mtu={} NAME",
                          is_one && networks.front().empty() ? "" : "--ipam-opt network=NETWORK ",
                          mtu == 0 ? "MTU" : std::to_string(mtu)));
}

// Without a change there is nothing to write.
Result<void> IpamPlugin::keep(DockerPools next) {
  if (next.state() != pools_.state()) {
    TRY_DURING(write_file_atomically(file_, encode_docker_pools(next.state()), kFileMode),
               "write down what Docker's containers have");
  }
  pools_ = std::move(next);
  publish();
  return {};
}

void IpamPlugin::publish() {
  std::vector<PoolUse> now;
  for (const AddressPool& pool : pools_.state().pools) {
    now.push_back({.network = pool.state().network,
                   .subnet = pool.subnet(),
                   .gateway = pool.gateway(),
                   .containers = pool.containers(),
                   .room = pool.room()});
  }
  {
    const std::lock_guard lock(mutex_);
    if (now == published_) return;
    published_.swap(now);
  }
  if (on_change_) on_change_();
}

}  // namespace flannel
