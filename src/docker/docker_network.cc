// SPDX-License-Identifier: Apache-2.0
#include "docker/docker_network.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "base/printable.h"
#include "base/problem_kinds.h"

namespace flannel {
namespace {

constexpr std::size_t kLongestDeviceName = 15;  // IFNAMSIZ without the zero

// The hash FNV-1a of 32 bits, which is the same on all machines and in all releases.
std::uint32_t fnv1a(std::string_view text) {
  std::uint32_t hash = 2166136261U;
  for (const char c : text)
    hash = (hash ^ static_cast<unsigned char>(c)) * 16777619U;
  return hash;
}
constexpr std::size_t kLongestName = 64;
constexpr std::size_t kShownId = 12;  // as `docker network ls` shows it

std::string shown(const std::string& name) {
  return word_or_quoted(shortened(name));
}

std::string in_words(const std::vector<IpPrefix>& subnets) {
  std::string text;
  for (const IpPrefix& subnet : subnets)
    text += (text.empty() ? "" : " and ") + to_string(subnet);
  return text.empty() ? "no subnet" : text;
}

// Docker gives a network IPv4 from pools of its own if the wish has none.
bool serves(const DockerNetwork& there, const WishedNetwork& wished) {
  if (there.driver != "bridge") return false;
  for (const Family family : kFamilies) {
    const auto& wanted = wished.subnet.at(family);
    if (!wanted && family == Family::v4) continue;
    std::vector<IpPrefix> has;
    std::ranges::copy_if(there.subnets, std::back_inserter(has),
                         [family](const IpPrefix& one) { return one.family() == family; });
    if (has != (wanted ? std::vector{*wanted} : std::vector<IpPrefix>())) return false;
  }
  return true;
}

// The subnets of a network of a swarm are in network namespaces of their own, and Docker takes them
// from other pools.
const IpPrefix* overlap_of(const DockerNetwork& there, const WishedNetwork& wished) {
  if (there.driver == "overlay") return nullptr;
  for (const IpPrefix& subnet : there.subnets) {
    for (const IpPrefix& own : values_of(wished.subnet)) {
      if (own.family() == subnet.family() && own.overlaps(subnet)) return &subnet;
    }
  }
  return nullptr;
}

DockerStep say(const ProblemKind& kind, const WishedNetwork& wished, std::string text) {
  return {.problem = make_problem(kind, wished.name, std::move(text))};
}

std::vector<std::string> ids_of(const std::string& name, const std::vector<DockerNetwork>& there) {
  std::vector<std::string> ids;
  for (const DockerNetwork& one : there) {
    if (one.name == name) ids.push_back(shown(one.id.substr(0, kShownId)));
  }
  return ids;
}

// `docker run --network` takes any one of them.
DockerStep about_twins(const WishedNetwork& wished, const std::vector<std::string>& ids) {
  return say(kDockerNetworkTwice, wished,
             fmt::format("Docker has {} networks with the name {}, and containers get any one of "
                         "them; their ids are {}",
                         ids.size(), wished.name, fmt::join(ids, ", ")));
}

DockerStep about_mtu(const DockerNetwork& there, const WishedNetwork& wished) {
  if (!there.mtu || *there.mtu <= wished.mtu) return {};
  return say(kDockerNetworkMtu, wished,
             fmt::format("the MTU of Docker's network {} is {}, and the overlay has {}; packets "
                         "that are too big are answered with ICMP",
                         wished.name, *there.mtu, wished.mtu));
}

DockerStep about_other_subnet(const DockerNetwork& there, const WishedNetwork& wished) {
  if (there.is_ours) {
    return say(kDockerNetworkDiffers, wished,
               fmt::format("Docker's network {} has {}, and the subnet of this host is {} now; "
                           "other hosts do not reach its containers",
                           wished.name, in_words(there.subnets), to_string(wished.subnet)));
  }
  return say(kDockerNetworkForeign, wished,
             fmt::format("Docker has a network {} that flanneld did not make, with the driver {} "
                         "and {}, and the subnet of this host is {}",
                         wished.name, shown(there.driver), in_words(there.subnets),
                         to_string(wished.subnet)));
}

}  // namespace

WishedNetwork WishedNetwork::of(std::string name, const SubnetEnv& env) {
  WishedNetwork wished{
      .name = std::move(name), .subnet = {env.subnet, env.subnet6}, .mtu = env.mtu, .overlay = {}};
  for (const auto& network : {env.network, env.network6}) {
    if (!network) continue;
    wished.overlay += (wished.overlay.empty() ? "" : ",") + to_string(*network);
  }
  return wished;
}

std::string WishedNetwork::bridge() const {
  const std::string whole = "docker-" + name;
  if (whole.size() <= kLongestDeviceName) return whole;
  // The networks of one host have names that begin alike.
  const std::string number = fmt::format("-{:05x}", fnv1a(name) & 0xfffff);
  return whole.substr(0, kLongestDeviceName - number.size()) + number;
}

DockerStep next_step(const WishedNetwork& wished, const std::vector<DockerNetwork>& there) {
  if (auto ids = ids_of(wished.name, there); ids.size() > 1) return about_twins(wished, ids);
  const DockerNetwork* of_name = nullptr;
  for (const DockerNetwork& one : there) {
    if (one.name != wished.name) continue;
    if (serves(one, wished)) return about_mtu(one, wished);
    if (of_name == nullptr || one.is_ours) of_name = &one;
  }
  if (of_name != nullptr) return about_other_subnet(*of_name, wished);
  for (const DockerNetwork& one : there) {
    const IpPrefix* subnet = overlap_of(one, wished);
    if (subnet == nullptr) continue;
    const std::string what =
        one.name == "bridge" ? "docker0 (--bip)" : "the network " + shown(one.name);
    return say(kDockerSubnetTaken, wished,
               fmt::format("{} of Docker has {}, and the subnet {} of this host serves that or the "
                           "network {}, not both",
                           what, to_string(*subnet), to_string(wished.subnet), wished.name));
  }
  return {.make = true};
}

Result<void> check_docker_network_name(std::string_view name) {
  const auto is_plain = [](char one) {
    return (one >= 'a' && one <= 'z') || (one >= 'A' && one <= 'Z') || (one >= '0' && one <= '9');
  };
  const bool is_word =
      !name.empty() && is_plain(name.front()) && std::ranges::all_of(name, [&](char one) {
        return is_plain(one) || one == '_' || one == '.' || one == '-';
      });
  if (!is_word || name.size() > kLongestName) {
    return fail(ErrorKind::invalid, in_quotes(shortened(name)) +
                                        " is no name for a network: letters, digits, and then also "
                                        "\"_\", \".\" and \"-\", 64 at most");
  }
  for (const std::string_view own : {"bridge", "host", "none", "default", "nat", "ingress"}) {
    if (name == own) {
      return fail(ErrorKind::invalid, in_quotes(name) + " is a name that Docker itself uses");
    }
  }
  return {};
}

}  // namespace flannel
