// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <ostream>

#include "core/json_text.h"
#include "core/lease_table.h"
#include "core/network_config.h"
#include "ctl/command.h"
#include "ctl/store_session.h"
#include "ctl/text_table.h"

namespace flannel {
namespace {

using Json = nlohmann::ordered_json;
using Rows = std::vector<std::vector<std::string>>;

std::string or_dash(const std::string& text) {
  return text.empty() ? "-" : text;
}

std::string_view kind(const ListedLease& listed) {
  return listed.expires ? "lease" : "reservation";
}

Json data_as_json(const std::string& text) {
  if (text.empty()) return nullptr;
  Json parsed = Json::parse(text, nullptr, false);
  return parsed.is_discarded() ? Json(text) : parsed;
}

std::string leases_as_json(const LeaseTable& table) {
  Json list = Json::array();
  for (const auto& [subnet, listed] : table.leases()) {
    const LeaseAttributes& attributes = listed.lease->attributes;
    list.push_back({{"subnet", to_string(subnet)},
                    {"public_ip", text_or_null(attributes.public_ips().v4)},
                    {"public_ipv6", text_or_null(attributes.public_ips().v6)},
                    {"backend", attributes.backend_type},
                    {"backend_data", data_as_json(attributes.backend_data)},
                    {"backend_v6_data", data_as_json(attributes.backend_v6_data)},
                    {"kind", kind(listed)},
                    {"revision", listed.revision}});
  }
  return json_text(list);
}

std::string leases_as_text(const LeaseTable& table) {
  Rows rows = {{"SUBNET", "PUBLIC-IP", "BACKEND", "BACKEND-DATA", "KIND"}};
  for (const auto& [subnet, listed] : table.leases()) {
    const LeaseAttributes& attributes = listed.lease->attributes;
    std::string data = attributes.backend_data;
    if (!attributes.backend_v6_data.empty()) {
      data.append(data.empty() ? "" : ",").append(attributes.backend_v6_data);
    }
    rows.push_back({to_string(subnet), to_string(attributes.public_ips()),
                    or_dash(attributes.backend_type), or_dash(data), std::string(kind(listed))});
  }
  return text_table(rows);
}

// Returns the records that every host quarantines, and those that only one host does: records with
// its public IP but the node id of another. If there are two with the same public IP it is not
// known which is wrong, so the younger one is returned.
std::map<std::string, QuarantinedRecord> bad_records(const LeaseTable& table) {
  auto bad = table.quarantined();
  std::map<IpAddress, const ListedLease*> oldest;
  std::vector<const ListedLease*> by_age;
  for (const auto& [subnet, listed] : table.leases())
    by_age.push_back(&listed);
  // All are of one list, so their revisions can be compared.
  std::ranges::sort(by_age, {}, [](const ListedLease* one) { return one->created; });
  for (const ListedLease* one : by_age) {
    const LeaseAttributes& attributes = one->lease->attributes;
    for (const Family family : kFamilies) {
      const auto ip = attributes.public_ips().at(family);
      if (!ip) continue;
      const auto [first, is_first] = oldest.emplace(*ip, one);
      const Lease& before = *first->second->lease;
      if (is_first || HostIdentity::writer_of(before.attributes).wrote(attributes)) continue;
      bad[one->key()] = {one->key(),
                         fmt::format("PublicIP {} is also that of {}, which another node wrote",
                                     to_string(*ip), to_string(before.subnet)),
                         one->revision, QuarantineKind::our_ip_by_other_node};
    }
  }
  return bad;
}

std::string bad_as_json(const LeaseTable& table) {
  Json list = Json::array();
  for (const auto& [key, record] : bad_records(table)) {
    list.push_back({{"key", key}, {"why", record.reason}, {"revision", record.revision}});
  }
  return json_text(list);
}

std::string bad_as_text(const LeaseTable& table) {
  Rows rows = {{"KEY", "WHY"}};
  for (const auto& [key, record] : bad_records(table))
    rows.push_back({key, record.reason});
  return text_table(rows);
}

// Returns the networks that leases must lie in for flanneld; none without a valid configuration.
std::vector<IpPrefix> networks_of(const Snapshot& snapshot) {
  if (!snapshot.config) return {};
  const auto parsed = parse_network_config(snapshot.config->text);
  return parsed ? parsed->config.networks() : std::vector<IpPrefix>();
}

}  // namespace

Result<void> run_leases(const CtlOptions& options, const Terminal& terminal) {
  StoreSession store = TRY(StoreSession::open(options));
  const Snapshot snapshot = TRY(store.snapshot());
  LeaseTable table(networks_of(snapshot), std::nullopt, Quarantine::kNameAll);
  table.apply_snapshot(snapshot);
  if (options.bad) {
    terminal.out << (options.json ? bad_as_json(table) : bad_as_text(table));
    return {};
  }
  terminal.out << (options.json ? leases_as_json(table) : leases_as_text(table));
  if (const std::size_t bad = table.quarantined().size(); bad > 0) {
    terminal.err << fmt::format(
        "flannelctl: {} more quarantined; `flannelctl leases --bad` says which and why\n", bad);
  }
  return {};
}

}  // namespace flannel
