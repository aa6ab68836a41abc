// SPDX-License-Identifier: Apache-2.0
#include "core/subnet_env.h"

#include <fmt/format.h>

#include "base/parse.h"

namespace flannel {
namespace {

constexpr std::string_view subnet_key(Family family) {
  return family == Family::v4 ? "FLANNEL_SUBNET" : "FLANNEL_IPV6_SUBNET";
}

constexpr std::string_view network_key(Family family) {
  return family == Family::v4 ? "FLANNEL_NETWORK" : "FLANNEL_IPV6_NETWORK";
}

// The subnet's first host address with the subnet's length: the address for a bridge on this host.
std::string first_host(IpPrefix subnet) {
  subnet.base = subnet.base.plus(1);
  return to_string(subnet);
}

struct Assignment {
  std::string_view key, value;
};

// The text between quotes, or up to a comment. Escapes are not decoded: no address has one.
std::string_view unquoted(std::string_view value) {
  if (!value.empty() && (value[0] == '"' || value[0] == '\'')) {
    const auto end = value.find(value[0], 1);
    if (end != value.npos) return value.substr(1, end - 1);
  }
  for (std::size_t i = 0; i < value.size(); ++i) {
    if (value[i] == '#' && (i == 0 || value[i - 1] == ' ' || value[i - 1] == '\t')) {
      return trim(value.substr(0, i));
    }
  }
  return value;
}

// "KEY=value", "export KEY=value" or "KEY: value".
std::optional<Assignment> read_line(std::string_view line) {
  line = trim(line);
  if (line.starts_with('#')) return std::nullopt;
  if (line.starts_with("export ") || line.starts_with("export\t")) line = trim(line.substr(6));
  const auto end = line.find_first_of("=:");
  if (end == line.npos) return std::nullopt;
  return Assignment{trim(line.substr(0, end)), unquoted(trim(line.substr(end + 1)))};
}

// The only network of this family in a list with commas; nullopt if there are several.
std::optional<IpPrefix> only_network(std::string_view list, Family family) {
  std::optional<IpPrefix> found;
  for (const std::string_view item : split(list, ',')) {
    const auto net = IpPrefix::parse(trim(item), family);
    if (!net) continue;
    if (found) return std::nullopt;
    found = *net;
  }
  return found;
}

// The value of the last line that sets `key`.
std::optional<IpPrefix> last_of(std::string_view text, std::string_view key, Family family) {
  std::optional<IpPrefix> last;
  for (const std::string_view line : split(text, '\n')) {
    const auto assignment = read_line(line);
    if (assignment && assignment->key == key) last = only_network(assignment->value, family);
  }
  return last;
}

}  // namespace

std::string encode_subnet_env(const SubnetEnv& env) {
  std::string text;
  const auto line = [&](std::string_view key, const std::string& value) {
    text.append(key).append("=").append(value).append("\n");
  };
  if (env.network) line(network_key(Family::v4), to_string(*env.network));
  if (env.subnet) line(subnet_key(Family::v4), first_host(*env.subnet));
  if (env.network6) line(network_key(Family::v6), to_string(*env.network6));
  if (env.subnet6) line(subnet_key(Family::v6), first_host(*env.subnet6));
  line("FLANNEL_MTU", fmt::to_string(env.mtu));
  line("FLANNEL_IPMASQ", env.ip_masq ? "true" : "false");
  return text;
}

std::optional<SubnetKey> decode_previous_subnet(std::string_view text) {
  SubnetKey previous;
  for (const Family family : kFamilies)
    previous.at(family) = last_of(text, subnet_key(family), family);
  return previous == SubnetKey{} ? std::nullopt : std::optional(previous);
}

std::vector<IpPrefix> decode_previous_networks(std::string_view text) {
  std::vector<IpPrefix> networks;
  for (const Family family : kFamilies) {
    if (const auto last = last_of(text, network_key(family), family)) networks.push_back(*last);
  }
  return networks;
}

}  // namespace flannel
