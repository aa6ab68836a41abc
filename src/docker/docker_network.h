// SPDX-License-Identifier: Apache-2.0
// The network that Docker is to have for this host's containers, and what is to be done about the
// networks that it has. docs/docker.md
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/problem.h"
#include "base/result.h"
#include "core/lease.h"
#include "core/subnet_env.h"
#include "net/address.h"

namespace flannel {

// The label of each network that flanneld makes; its value is the networks of the overlay.
inline constexpr std::string_view kDockerLabel = "flannel-cpp";

// The network of --docker-network as it is made. At least one family has a subnet.
struct WishedNetwork {
  std::string name;
  SubnetKey subnet;
  std::uint32_t mtu = 0;  // of the overlay
  std::string overlay;    // "10.5.0.0/16", or both networks with a comma between; for the label

  static WishedNetwork of(std::string name, const SubnetEnv& env);
  // The name of its bridge: "docker-" and the name, or of a longer name than the 15 characters that
  // the kernel allows, its beginning and a number that is made of the whole.
  std::string bridge() const;
  bool operator==(const WishedNetwork&) const = default;
};

// One of Docker's networks. Its texts are from Docker, and may have any characters.
struct DockerNetwork {
  std::string name;
  std::string driver;
  std::vector<IpPrefix> subnets;     // Docker's own choice, too
  std::optional<std::uint32_t> mtu;  // nullopt: no option gives one
  bool is_ours = false;              // it has our label
  std::string id = {};

  bool operator==(const DockerNetwork&) const = default;
};

// What is to be done. A network is never removed or changed: containers that are stopped name it by
// its id, and do not start any more when it is gone.
struct DockerStep {
  bool make = false;
  std::optional<Problem> problem = {};  // nullopt: none; not with `make`
};

// Compares the wish with all networks that Docker has.
DockerStep next_step(const WishedNetwork& wished, const std::vector<DockerNetwork>& there);

// Fails if no network may have this name: Docker has it for one of its own, or options of
// `docker run` or a shell would not take it.
Result<void> check_docker_network_name(std::string_view name);

}  // namespace flannel
