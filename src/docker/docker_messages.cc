// SPDX-License-Identifier: Apache-2.0
#include "docker/docker_messages.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "base/parse.h"
#include "base/printable.h"

namespace flannel {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kLongestList = 8 << 20;    // bytes; a network has about one thousand
constexpr std::size_t kLongestOther = 64 << 10;  // bytes
constexpr std::size_t kLongestReason = 300;      // characters of Docker's own words

constexpr std::string_view kMtu = "com.docker.network.driver.mtu";
constexpr std::string_view kBridge = "com.docker.network.bridge.name";

std::string text_of(const Json& json) {
  return json.dump(-1, ' ', true, Json::error_handler_t::replace);
}

// The member of an object; null if `json` is none or lacks it.
const Json& member(const Json& json, std::string_view name) {
  static const Json none;
  if (!json.is_object()) return none;
  const auto found = json.find(name);
  return found == json.end() ? none : *found;
}

std::string text_in(const Json& json, std::string_view name) {
  const Json& value = member(json, name);
  return value.is_string() ? value.get<std::string>() : std::string();
}

std::vector<IpPrefix> subnets_in(const Json& network) {
  std::vector<IpPrefix> subnets;
  const Json& configs = member(member(network, "IPAM"), "Config");
  if (!configs.is_array()) return subnets;
  for (const Json& config : configs) {
    const auto subnet = IpPrefix::parse(text_in(config, "Subnet"));
    if (subnet) subnets.push_back(*subnet);
  }
  return subnets;
}

DockerNetwork network_in(const Json& json) {
  DockerNetwork network{.name = text_in(json, "Name"),
                        .driver = text_in(json, "Driver"),
                        .subnets = subnets_in(json),
                        .mtu = {},
                        .is_ours = member(json, "Labels").contains(kDockerLabel),
                        .id = text_in(json, "Id")};
  const auto mtu = parse_decimal<std::uint32_t>(text_in(member(json, "Options"), kMtu));
  if (mtu) network.mtu = *mtu;
  return network;
}

}  // namespace

HttpCall docker_list_call() {
  return {.method = "GET",
          .path = "/networks",
          .body = {},
          .content_type = {},
          .longest_answer = kLongestList};
}

HttpCall docker_make_call(const WishedNetwork& wished) {
  Json configs = Json::array();
  for (const IpPrefix& subnet : values_of(wished.subnet)) {
    configs.push_back({{"Subnet", to_string(subnet)}, {"Gateway", to_string(subnet.base.plus(1))}});
  }
  const Json body = {{"Name", wished.name},
                     {"CheckDuplicate", true},  // 20.10 would make a second network of this name
                     {"Driver", "bridge"},
                     {"EnableIPv6", wished.subnet.v6.has_value()},
                     {"IPAM", {{"Driver", "default"}, {"Config", std::move(configs)}}},
                     {"Options", {{kMtu, std::to_string(wished.mtu)}, {kBridge, wished.bridge()}}},
                     {"Labels", {{kDockerLabel, wished.overlay}}}};
  return {.method = "POST",
          .path = "/networks/create",
          .body = text_of(body),
          .content_type = "application/json",
          .longest_answer = kLongestOther};
}

Result<std::vector<DockerNetwork>> parse_docker_networks(std::string_view text) {
  const Json list = Json::parse(text, nullptr, false);
  if (!list.is_array()) {
    return fail(ErrorKind::invalid,
                "Docker's list of networks is no JSON array: " + in_quotes(shortened(text)));
  }
  std::vector<DockerNetwork> networks;
  for (const Json& one : list) {
    DockerNetwork network = network_in(one);
    if (!network.name.empty()) networks.push_back(std::move(network));
  }
  return networks;
}

Result<std::string> docker_answer(HttpEnd end, std::string_view what) {
  const int status = end.head.status;
  if (!end.body) return Failure(std::move(end.body).error().during(what));
  if (status >= 200 && status < 300) return *std::move(end.body);
  const std::string reason = text_in(Json::parse(*end.body, nullptr, false), "message");
  const std::string& words = reason.empty() ? *end.body : reason;
  return fail(ErrorKind::invalid, fmt::format("{}: Docker answers {}: {}", what, status,
                                              printable(shortened(words, kLongestReason))));
}

}  // namespace flannel
