// SPDX-License-Identifier: Apache-2.0
#include "status/health_json.h"

#include <string>

namespace flannel::control {

namespace {

using Json = nlohmann::ordered_json;

Json microseconds(const std::optional<HealthRow::Rtt>& rtt,
                  std::chrono::microseconds HealthRow::Rtt::*member) {
  return rtt ? Json(((*rtt).*member).count()) : Json(nullptr);
}

}  // namespace

Json health_row_json(const SeenRow& seen, TimePoint now) {
  const HealthRow& row = seen.row;
  Json subnets = Json::array(), others = Json::object(), more = Json::object();
  for (const IpPrefix& subnet : values_of(seen.subnet))
    subnets.push_back(to_string(subnet));
  for (const auto& [state, peers] : row.others) {
    Json& named = others[std::string(state)] = Json::array();
    for (const IpPrefix& peer : peers)
      named.push_back(to_string(peer));
  }
  for (const auto& [state, count] : row.more)
    more[std::string(state)] = count;
  return {{"subnets", std::move(subnets)},
          {"node_id", to_string(row.node)},
          {"age_s", std::chrono::duration_cast<std::chrono::seconds>(now - seen.seen).count()},
          {"ok", row.ok},
          {"others", std::move(others)},
          {"more", std::move(more)},
          {"median_rtt_us", microseconds(row.rtt, &HealthRow::Rtt::median)},
          {"most_rtt_us", microseconds(row.rtt, &HealthRow::Rtt::most)}};
}

}  // namespace flannel::control
