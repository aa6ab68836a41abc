// SPDX-License-Identifier: Apache-2.0
// Implements reserve and unreserve. A record that never expires is a reservation, others are
// leases. The commands turn one into the other, or write a reservation for a host that does not
// exist yet.
#include <fmt/format.h>

#include <ostream>

#include "core/lease.h"
#include "core/network_config.h"
#include "core/record_limits.h"
#include "ctl/command.h"
#include "ctl/store_session.h"
#include "ctl/subnet_argument.h"

namespace flannel {
namespace {

// The TTL of a lease that was a reservation. A running flanneld replaces it at once by its own.
constexpr std::chrono::seconds kLeaseTime{86400};

struct Wanted {
  SubnetKey subnet;
  std::string key;
  const Record* there = nullptr;  // in the snapshot
};

// Finds the record that has these subnets, and perhaps one more of the other family.
Result<Wanted> find(const std::string& word, const Snapshot& snapshot) {
  Wanted wanted;
  wanted.subnet = TRY(read_subnets(word));
  const std::string exact = encode_subnet_key(wanted.subnet);
  for (const Record& record : snapshot.records) {
    const auto key = decode_subnet_key(record.key);
    if (!key || !has_all(*key, wanted.subnet)) continue;
    if (wanted.there == nullptr || record.key == exact) wanted.there = &record;
  }
  wanted.key = wanted.there != nullptr ? wanted.there->key : exact;
  wanted.subnet = TRY(decode_subnet_key(wanted.key));
  return wanted;
}

Result<void> check_range(const NetworkConfig& config, const IpPrefix& subnet) {
  const auto& range = config.at(subnet.family());
  if (!range) {
    return fail(ErrorKind::invalid, fmt::format("no host could have {}: the network has no {}",
                                                to_string(subnet), to_string(subnet.family())));
  }
  if (range->allows(subnet)) return {};
  return fail(ErrorKind::invalid,
              fmt::format("no host could have {}: subnets are /{} from {} to {}", to_string(subnet),
                          range->subnet_len, to_string(range->first), to_string(range->last)));
}

Result<void> check_fits(const Wanted& wanted, const Snapshot& snapshot) {
  if (!snapshot.config) {
    return fail(ErrorKind::not_found, "there is no configuration yet (\"flannelctl config set\")");
  }
  const auto parsed = TRY(parse_network_config(snapshot.config->text));
  for (const Family family : kFamilies) {
    if (const auto& subnet = wanted.subnet.at(family)) TRY(check_range(parsed.config, *subnet));
  }
  for (const Record& record : snapshot.records) {
    const auto other = decode_subnet_key(record.key);
    if (!other || record.key == wanted.key || !other->overlaps(wanted.subnet)) continue;
    return fail(ErrorKind::conflict, fmt::format("{} overlaps {}, which is there already",
                                                 to_string(wanted.subnet), record.key));
  }
  return {};
}

bool is_of(const LeaseAttributes& holder, const std::string& node) {
  const auto ip = IpAddress::parse(node);
  return ip && holder.public_ips().at(ip->family) == *ip;
}

Result<void> reserve_free(const CtlOptions& options, const Wanted& wanted, StoreSession& store) {
  if (options.node.empty()) {
    return fail(ErrorKind::not_found,
                fmt::format("no host has {}; --node=ADDRESS says whom to keep it for",
                            to_string(wanted.subnet)));
  }
  const auto attributes = LeaseAttributes::of_host(TRY(IpAddress::parse(options.node)));
  TRY(store.create(wanted.key, encode_lease_value(attributes), {}));
  return {};
}

Result<void> reserve_held(const CtlOptions& options, const Wanted& wanted, StoreSession& store) {
  const LeaseAttributes holder = TRY_DURING(decode_lease(*wanted.there), "read " + wanted.key);
  if (!options.node.empty() && !is_of(holder, options.node)) {
    return fail(ErrorKind::conflict,
                fmt::format("{} has {}", to_string(holder.public_ips()), to_string(wanted.subnet)));
  }
  if (!wanted.there->expires()) return {};
  TRY(store.replace(*wanted.there, wanted.there->value, {}));
  return {};
}

// Warns of other subnets of the node, which will keep them instead of the one now reserved for it.
void warn_of_others(const CtlOptions& options, const Wanted& wanted, const Snapshot& snapshot,
                    const Terminal& terminal) {
  for (const Record& record : snapshot.records) {
    const auto subnet = decode_subnet_key(record.key);
    const auto holder = decode_lease(record);
    if (!subnet || !holder || record.key == wanted.key) continue;
    if (!is_of(*holder, options.node)) continue;
    if (!record.expires()) {
      terminal.out << options.node << " has a reservation for " << to_string(*subnet)
                   << " as well, and can use one of them only\n";
    } else {
      terminal.out << options.node << " has a lease on " << to_string(*subnet)
                   << " and keeps it as long as that lives; " << to_string(wanted.subnet)
                   << " is for the time after\n";
    }
  }
}

std::string holder_of(const Record& record) {
  const auto holder = decode_lease(record);
  return holder ? to_string(holder->public_ips()) : "a record that is no lease";
}

}  // namespace

Result<void> run_reserve(const CtlOptions& options, const Terminal& terminal) {
  StoreSession store = TRY(StoreSession::open(options));
  const Snapshot snapshot = TRY(store.snapshot());
  const Wanted wanted = TRY(find(options.words[0], snapshot));
  TRY(check_fits(wanted, snapshot));
  if (wanted.there == nullptr) {
    TRY(reserve_free(options, wanted, store));
    terminal.out << to_string(wanted.subnet) << " is reserved for " << options.node << "\n";
    warn_of_others(options, wanted, snapshot, terminal);
    return {};
  }
  TRY(reserve_held(options, wanted, store));
  terminal.out << to_string(wanted.subnet) << " is reserved for " << holder_of(*wanted.there)
               << "\n";
  return {};
}

Result<void> run_unreserve(const CtlOptions& options, const Terminal& terminal) {
  StoreSession store = TRY(StoreSession::open(options));
  const Snapshot snapshot = TRY(store.snapshot());
  const Wanted wanted = TRY(find(options.words[0], snapshot));
  if (wanted.there == nullptr) {
    return fail(ErrorKind::not_found, fmt::format("nobody has {}", to_string(wanted.subnet)));
  }
  const std::string holder = holder_of(*wanted.there);
  const auto attributes = decode_lease(*wanted.there);
  if (!options.node.empty() && !(attributes && is_of(*attributes, options.node))) {
    return fail(ErrorKind::conflict, fmt::format("{} has {}", holder, to_string(wanted.subnet)));
  }
  if (wanted.there->expires()) {
    terminal.out << to_string(wanted.subnet) << " is no reservation but a lease of " << holder
                 << "\n";
    return {};
  }
  TRY_DURING(decode_lease(*wanted.there), "read " + wanted.key);
  TRY(store.replace(*wanted.there, wanted.there->value, kLeaseTime));
  terminal.out << to_string(wanted.subnet) << " is a lease of " << holder
               << " now: it ends after 24 hours, unless that host renews it\n";
  return {};
}

}  // namespace flannel
