// SPDX-License-Identifier: Apache-2.0
#include "core/health_row.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace flannel {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::int64_t kVersion = 1;
// What the members besides the names of peers take at most.
constexpr std::size_t kRest = 512;

// nullopt: this release does not know the state.
std::optional<std::string_view> known_state(std::string_view name) {
  const auto* found = std::ranges::find(kHealthStates, name);
  return found == kHealthStates.end() ? std::nullopt : std::optional(*found);
}

Failure bad(std::string_view what) {
  return fail(ErrorKind::invalid, fmt::format("health row: {}", what));
}

// A count or a time in microseconds; nullopt if it is no such number.
std::optional<std::uint64_t> number_in(const Json& json) {
  constexpr std::uint64_t kMost = 1ULL << 53;  // what JSON numbers can be everywhere
  if (!json.is_number_unsigned() || json.get<std::uint64_t>() > kMost) return std::nullopt;
  return json.get<std::uint64_t>();
}

Result<std::optional<HealthRow::Rtt>> rtt_in(const Json& object) {
  const auto member = object.find("RTT");
  if (member == object.end() || member->is_null()) return std::nullopt;
  if (!member->is_array() || member->size() != 2) return bad("RTT is no pair");
  const auto median = number_in((*member)[0]), most = number_in((*member)[1]);
  if (!median || !most) return bad("RTT has other members than microseconds");
  return HealthRow::Rtt{std::chrono::microseconds(*median), std::chrono::microseconds(*most)};
}

Result<void> read_others(const Json& object, HealthRow& row) {
  const auto member = object.find("Peers");
  if (member == object.end()) return {};
  if (!member->is_object()) return bad("Peers is no object");
  for (const auto& [name, peers] : member->items()) {
    const auto state = known_state(name);
    if (!state) continue;
    if (!peers.is_array()) return bad("a state of Peers has no list");
    for (const Json& peer : peers) {
      const auto subnet = peer.is_string() ? IpPrefix::parse(peer.get_ref<const std::string&>())
                                           : Result<IpPrefix>(bad("a peer is no text"));
      if (!subnet) return bad("a peer is no subnet");
      row.others[*state].push_back(*subnet);
    }
  }
  return {};
}

Result<void> read_more(const Json& object, HealthRow& row) {
  const auto member = object.find("More");
  if (member == object.end()) return {};
  if (!member->is_object()) return bad("More is no object");
  for (const auto& [name, count] : member->items()) {
    const auto number = number_in(count);
    if (!number) return bad("a state of More has no count");
    if (const auto state = known_state(name); state && *number > 0) row.more[*state] = *number;
  }
  return {};
}

}  // namespace

std::string encode_health_row(const HealthRow& row) {
  Json peers = Json::object(), more = Json::object();
  std::size_t left = kMostHealthRow - kRest;
  for (const std::string_view state : kHealthStates) {
    const auto others = row.others.find(state);
    const auto counted = row.more.find(state);
    std::size_t unnamed = counted == row.more.end() ? 0 : counted->second;
    if (others != row.others.end()) {
      Json named = Json::array();
      for (const IpPrefix& peer : others->second) {
        std::string text = to_string(peer);
        const std::size_t size = text.size() + std::string_view(R"("",)").size();
        if (size <= left) {
          left -= size;
          named.push_back(std::move(text));
        } else {
          ++unnamed;
        }
      }
      if (!named.empty()) peers[std::string(state)] = std::move(named);
    }
    if (unnamed > 0) more[std::string(state)] = unnamed;
  }
  Json json = {{"Version", kVersion},
               {"NodeID", to_string(row.node)},
               {"Serial", row.serial},
               {"OK", row.ok}};
  if (row.rtt) json["RTT"] = {row.rtt->median.count(), row.rtt->most.count()};
  if (!peers.empty()) json["Peers"] = std::move(peers);
  if (!more.empty()) json["More"] = std::move(more);
  return json.dump();
}

Result<HealthRow> decode_health_row(std::string_view text) {
  if (text.size() > kMostHealthRow) return bad("it is too long");
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object()) return bad("it is no JSON object");
  const auto member = [&json](const char* name) {
    const auto found = json.find(name);
    return found == json.end() ? Json() : *found;
  };
  if (member("Version") != kVersion) return bad("it has another version");
  const Json node = member("NodeID");
  if (!node.is_string()) return bad("NodeID is no text");
  const auto serial = number_in(member("Serial")), ok = number_in(member("OK"));
  if (!serial || !ok) return bad("Serial or OK is no number");
  HealthRow row;
  row.node = TRY(decode_node_id(node.get_ref<const std::string&>()));
  row.serial = *serial;
  row.ok = *ok;
  row.rtt = TRY(rtt_in(json));
  TRY(read_others(json, row));
  TRY(read_more(json, row));
  return row;
}

}  // namespace flannel
