// SPDX-License-Identifier: Apache-2.0
// Docker as it says itself: its release, and the MTU of the network that has this host's subnet.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "base/printable.h"
#include "ctl/control_client.h"
#include "ctl/doctor.h"
#include "docker/docker_messages.h"

namespace flannel::doctor {
namespace {

constexpr auto kLongestWait = std::chrono::seconds(5);
constexpr std::string_view kDockersOwn = "bridge";  // the network of docker0
// Containers of a network without the option have this one.
constexpr std::uint32_t kDockersDefault = 1500;

Result<std::string> ask_docker(const std::string& socket, HttpCall call, std::string_view what) {
  return docker_answer(TRY(call_unix_socket(socket, "docker", std::move(call), kLongestWait)),
                       what);
}

Result<std::string> version_of(const std::string& socket) {
  const std::string body =
      TRY(ask_docker(socket, {.method = "GET", .path = "/version", .body = {}, .content_type = {}},
                     "ask for Docker's version"));
  const auto json = nlohmann::ordered_json::parse(body, nullptr, false);
  if (!json.is_object() || !json.contains("Version") || !json["Version"].is_string()) {
    return fail(ErrorKind::invalid, "Docker does not say its version");
  }
  return printable(shortened(json["Version"].get<std::string>()));
}

// The network of containers of this host; nullptr: Docker has none.
const DockerNetwork* network_of(const DaemonView& daemon,
                                const std::vector<DockerNetwork>& networks) {
  const auto serves = [&daemon](const DockerNetwork& one) {
    return one.driver == "bridge" && std::ranges::any_of(daemon.own, [&one](const IpPrefix& own) {
             return std::ranges::find(one.subnets, own) != one.subnets.end();
           });
  };
  const auto found = std::ranges::find_if(networks, serves);
  return found == networks.end() ? nullptr : &*found;
}

Check mtu_of(const DockerNetwork& network, std::uint32_t overlay) {
  const std::uint32_t mtu = network.mtu.value_or(kDockersDefault);
  const std::string name = word_or_quoted(shortened(network.name));
  Check check{.area = "docker",
              .text = fmt::format("Docker's network {} has the MTU {}, and the overlay {}", name,
                                  mtu, overlay)};
  if (mtu <= overlay) return check;
  check.verdict = Verdict::wrong;
  check.code = "docker-mtu";
  check.remedy =
      network.name == kDockersOwn
          ? "run mk-docker-opts.sh, let Docker's unit read its file (--mtu), restart Docker, and "
            "start the containers anew"
          : fmt::format(
                "remove its containers, and then: docker network rm {}; with "
                "--docker-network flanneld makes it again, else make it with -o "
                "com.docker.network.driver.mtu={}",
                name, overlay);
  return check;
}

}  // namespace

void check_docker(const std::string& socket, const DaemonView& daemon, Checks& checks) {
  const auto version = version_of(socket);
  if (!version) {
    if (version.error().kind == ErrorKind::unavailable) return;  // there is no Docker that answers
    return checks.push_back(
        {.verdict = Verdict::unknown, .area = "docker", .text = version.error().text});
  }
  checks.push_back({.area = "docker", .text = "Docker " + *version + " answers at " + socket});
  const auto body = ask_docker(socket, docker_list_call(), "list Docker's networks");
  const auto networks = body ? parse_docker_networks(*body) : Failure(body.error());
  if (!networks) {
    return checks.push_back(
        {.verdict = Verdict::unknown, .area = "docker", .text = networks.error().text});
  }
  const DockerNetwork* ours = network_of(daemon, *networks);
  if (ours != nullptr && daemon.mtu > 0) checks.push_back(mtu_of(*ours, daemon.mtu));
}

}  // namespace flannel::doctor
