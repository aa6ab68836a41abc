// SPDX-License-Identifier: Apache-2.0
#include "status/status_json.h"

#include "core/json_text.h"

namespace flannel {
namespace {

std::int64_t whole_seconds(Duration duration) {
  return std::chrono::duration_cast<std::chrono::seconds>(duration).count();
}

Json to_json(const StoreStatus& store, TimePoint now) {
  return {{"name", store.name},
          {"connected", store.connected},
          {"for_s", whole_seconds(now - store.since)},
          {"lists", store.lists},
          {"positions_lost", store.positions_lost},
          {"resumed", store.resumed},
          {"refuted", store.refuted},
          {"failures",
           {{"transport", store.failures.transport},
            {"silence", store.failures.silence},
            {"cancelled", store.failures.cancelled},
            {"denied", store.failures.denied}}}};
}

Json to_json(const std::optional<LeaseStatus>& status, TimePoint now) {
  if (!status) return nullptr;
  const Lease& lease = status->lease;
  Json json = {{"subnet", to_string(lease.subnet)},
               {"public_ip", text_or_null(lease.attributes.public_ips().v4)},
               {"public_ipv6", text_or_null(lease.attributes.public_ips().v6)},
               {"phase", status->phase},
               {"reservation", status->phase == "active" && status->ends == kNever}};
  if (status->ends != kNever) json["ends_in_s"] = whole_seconds(status->ends - now);
  return json;
}

Json in_words(const std::vector<IpPrefix>& networks) {
  Json all = Json::array();
  for (const IpPrefix& network : networks)
    all.push_back(to_string(network));
  return all;
}

Json to_json(const std::optional<Underlay>& underlay) {
  if (!underlay) return nullptr;
  Json json = {{"interface", underlay->interface}};
  if (const auto& v4 = underlay->v4) {
    json["ip"] = to_string(v4->ip);
    json["public_ip"] = to_string(v4->public_ip);
  }
  if (const auto& v6 = underlay->v6) {
    json["ipv6"] = to_string(v6->ip);
    json["public_ipv6"] = to_string(v6->public_ip);
  }
  json["mtu"] = underlay->mtu;
  return json;
}

Json to_json(const PeerStatus& peers) {
  Json quarantined = Json::array();
  for (const QuarantinedRecord& record : peers.quarantined) {
    quarantined.push_back({{"key", record.key}, {"why", record.reason}});
  }
  return {{"up", peers.up},
          {"silent", peers.silent},
          {"suspected", peers.suspected},
          {"unreachable", peers.unreachable},
          {"more_unreachable", peers.more_unreachable},
          {"quarantined", quarantined},
          {"more_quarantined", peers.more_quarantined}};
}

Json to_json(const KernelStatus& kernel) {
  return {{"unmet", kernel.unmet},
          {"more_unmet", kernel.more_unmet},
          {"full_syncs", kernel.counters.full_syncs},
          {"changes", kernel.counters.changes},
          {"corrections", kernel.counters.corrections},
          {"failures", kernel.counters.failures}};
}

Json to_json(const PacketPathStatus::Numbers& numbers) {
  Json json = Json::object();
  for (const auto& [name, number] : numbers)
    json[std::string(name)] = number;
  return json;
}

Json to_json(const std::optional<PacketPathStatus>& path) {
  if (!path) return nullptr;
  const auto counters = path->read();
  return {{"device", path->device},
          {"trouble", path->trouble},
          {"counters", to_json(counters.work)},
          {"drops", to_json(counters.drops)}};
}

}  // namespace

Json problems_json(const std::vector<Problem>& problems, TimePoint now) {
  Json all = Json::array();
  for (const Problem& problem : problems) {
    all.push_back({{"code", problem.kind->code},
                   {"severity", to_string(problem.kind->severity)},
                   {"area", to_string(problem.kind->area)},
                   {"object", problem.object},
                   {"text", problem.text},
                   {"remedy", problem.remedy},
                   {"for_s", whole_seconds(now - problem.since)}});
  }
  return all;
}

Json status_json(const StatusSnapshot& status, TimePoint now) {
  return {{"ready", status.ready},
          {"troubles", sentences(status.problems)},
          {"problems", problems_json(status.problems, now)},
          {"store", to_json(status.store, now)},
          {"lease", to_json(status.lease, now)},
          {"networks", in_words(status.networks)},
          {"mtu", status.mtu == 0 ? Json(nullptr) : Json(status.mtu)},
          {"backend", status.backend},
          {"underlay", to_json(status.underlay)},
          {"peers", to_json(status.peers)},
          {"kernel", to_json(status.kernel)},
          {"packet_path", to_json(status.packet_path)}};
}

}  // namespace flannel
