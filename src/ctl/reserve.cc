// SPDX-License-Identifier: Apache-2.0
// Implements reserve and unreserve. A record that never expires is a reservation, others are
// leases. The commands turn one into the other, or write a reservation for a host that does not
// exist yet.
#include <fmt/format.h>

#include <algorithm>
#include <ostream>

#include "core/lease.h"
#include "core/network_config.h"
#include "core/record_limits.h"
#include "ctl/command.h"
#include "ctl/store_session.h"

namespace flannel {
namespace {

// The TTL of a lease that was a reservation. A running flanneld replaces it at once by its own.
constexpr std::chrono::seconds kLeaseTime{86400};

struct Wanted {
  SubnetKey subnet;
  std::string key;
  const Record* there = nullptr;  // in the snapshot
};

// Finds the record of "10.5.52.0/24", or of a key, which may also name an IPv6 subnet.
Result<Wanted> find(const std::string& word, const Snapshot& snapshot) {
  Wanted wanted;
  if (const auto subnet = IpPrefix::parse_v4(word)) {
    wanted.subnet.v4 = *subnet;
  } else {
    const auto key = decode_subnet_key(word);
    if (!key) {
      return fail(ErrorKind::invalid, fmt::format("{} is no subnet such as 10.5.52.0/24", word));
    }
    wanted.subnet = *key;
  }
  wanted.key = encode_subnet_key(wanted.subnet);
  for (const Record& record : snapshot.records) {
    if (record.key == wanted.key) wanted.there = &record;
  }
  return wanted;
}

Result<void> check_fits(const Wanted& wanted, const Snapshot& snapshot) {
  if (!snapshot.config) {
    return fail(ErrorKind::not_found, "there is no configuration yet (\"flannelctl config set\")");
  }
  const auto parsed = TRY(parse_network_config(snapshot.config->text));
  const auto& range = parsed.config.v4;
  if (!range) {
    return fail(ErrorKind::unsupported,
                "EnableIPv4 is false: a network of IPv6 alone is not part of this release");
  }
  if (!range->allows(wanted.subnet.v4)) {
    return fail(ErrorKind::invalid,
                fmt::format("no host could have {}: subnets are /{} from {} to {}",
                            to_string(wanted.subnet.v4), range->subnet_len, to_string(range->first),
                            to_string(range->last)));
  }
  for (const Record& record : snapshot.records) {
    const auto other = decode_subnet_key(record.key);
    if (!other || record.key == wanted.key || !other->v4.overlaps(wanted.subnet.v4)) continue;
    return fail(ErrorKind::conflict, fmt::format("{} overlaps {}, which is there already",
                                                 to_string(wanted.subnet), record.key));
  }
  return {};
}

Result<void> reserve_free(const CtlOptions& options, const Wanted& wanted, StoreSession& store) {
  if (options.node.empty()) {
    return fail(ErrorKind::not_found,
                fmt::format("no host has {}; --node=ADDRESS says whom to keep it for",
                            to_string(wanted.subnet)));
  }
  const LeaseAttributes attributes{.public_ip = TRY(IpAddress::parse_v4(options.node))};
  TRY(store.create(wanted.key, encode_lease_value(attributes), {}));
  return {};
}

Result<void> reserve_held(const CtlOptions& options, const Wanted& wanted, StoreSession& store) {
  const LeaseAttributes holder = TRY_DURING(decode_lease(*wanted.there), "read " + wanted.key);
  if (!options.node.empty() && to_string(holder.public_ip) != options.node) {
    return fail(ErrorKind::conflict,
                fmt::format("{} has {}", to_string(holder.public_ip), to_string(wanted.subnet)));
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
    if (to_string(holder->public_ip) != options.node) continue;
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
  return holder ? to_string(holder->public_ip) : "a record that is no lease";
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
  if (!options.node.empty() && options.node != holder) {
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
