// SPDX-License-Identifier: Apache-2.0
#include "status/pages.h"

#include <nlohmann/json.hpp>

#include "base/printable.h"
#include "base/version.h"

namespace flannel {
namespace {

using Json = nlohmann::ordered_json;

std::int64_t whole_seconds(Duration duration) {
  return std::chrono::duration_cast<std::chrono::seconds>(duration).count();
}

Json to_json(const StoreStatus& store, TimePoint now) {
  return {{"name", store.name},
          {"connected", store.connected},
          {"for_s", whole_seconds(now - store.since)},
          {"lists", store.lists},
          {"positions_lost", store.positions_lost},
          {"failures",
           {{"transport", store.failures.transport},
            {"silence", store.failures.silence},
            {"cancelled", store.failures.cancelled},
            {"denied", store.failures.denied}}}};
}

Json text_or_null(const std::optional<IpAddress>& ip) {
  return ip ? Json(to_string(*ip)) : Json(nullptr);
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

std::string verbose_text(const StatusSnapshot& status, TimePoint now) {
  const Json json = {{"version", version()},
                     {"ready", status.ready},
                     {"troubles", status.troubles},
                     {"store", to_json(status.store, now)},
                     {"lease", to_json(status.lease, now)},
                     {"backend", status.backend},
                     {"underlay", to_json(status.underlay)},
                     {"peers", to_json(status.peers)},
                     {"kernel", to_json(status.kernel)},
                     {"packet_path", to_json(status.packet_path)}};
  // Keys and reasons come from the store. ASCII output carries no terminal control sequences, and
  // text that is not UTF-8 must not throw.
  return json.dump(2, ' ', true, Json::error_handler_t::replace) + "\n";
}

std::string short_text(const StatusSnapshot& status) {
  std::string text = status.ready ? "flanneld is ready" : "flanneld is not ready yet";
  for (const std::string& trouble : status.troubles)
    text += "\n" + printable(trouble);
  return text;
}

}  // namespace

HttpResponse status_page(const HttpRequest& request, const StatusSnapshot& status, TimePoint now) {
  if (request.path == "/healthz") return {200, "flanneld is running"};
  if (request.path != "/readyz") return {404, "404 page not found"};
  const int code = status.ready ? 200 : 503;
  if (request.asks("verbose")) return {code, verbose_text(status, now), "application/json"};
  return {code, short_text(status)};
}

}  // namespace flannel
