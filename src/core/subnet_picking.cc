// SPDX-License-Identifier: Apache-2.0
#include "core/subnet_picking.h"
#include "core/record_limits.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

namespace flannel {
namespace {

// The subnets with the numbers first..last of the configured range.
struct Stretch {
  std::uint64_t first = 0, last = 0;
  auto operator<=>(const Stretch&) const = default;
};

// The subnets of records that are inside of the network.
std::vector<IpPrefix> recorded_subnets(const NetworkConfig& config, const DecodedRecords& records) {
  std::vector<IpPrefix> recorded;
  const auto add = [&](const IpPrefix& subnet) {
    if (config.v4->network.contains(subnet)) recorded.push_back(subnet);
  };
  for (const DecodedRecord& record : records.leases)
    add(record.lease.subnet.v4);
  for (const IpPrefix& subnet : records.unreadable)
    add(subnet);
  return recorded;
}

// The ranges inside of the network that are not free: subnets of records, and addresses of the
// underlay. A route to a subnet that contains such an address would cut that host off.
std::vector<IpPrefix> taken_subnets(const NetworkConfig& config, const DecodedRecords& records,
                                    IpAddress public_ip) {
  std::vector<IpPrefix> taken = recorded_subnets(config, records);
  const auto add = [&](IpAddress ip) {
    if (config.v4->network.contains(ip)) taken.push_back(IpPrefix::of(ip, 32));
  };
  add(public_ip);
  for (const DecodedRecord& record : records.leases)
    add(record.lease.attributes.public_ip);
  return taken;
}

// The part of the configured range that is not free, as sorted stretches, which may overlap.
std::vector<Stretch> taken_stretches(const SubnetRange& range, std::span<const IpPrefix> taken) {
  const IpAddress end = range.at(range.count() - 1).last();
  std::vector<Stretch> stretches;
  stretches.reserve(taken.size());
  for (const IpPrefix& subnet : taken) {
    const IpAddress from = std::max(subnet.base, range.first);
    const IpAddress to = std::min(subnet.last(), end);
    if (from <= to) stretches.push_back({range.number_of(from), range.number_of(to)});
  }
  std::sort(stretches.begin(), stretches.end());
  return stretches;
}

// The gaps between `taken`, which is sorted, up to the `count`-th subnet.
std::vector<Stretch> gaps_between(std::span<const Stretch> taken, std::uint64_t count) {
  std::vector<Stretch> gaps;
  std::uint64_t next = 0;  // the first subnet that may still be free
  for (const Stretch& stretch : taken) {
    if (stretch.first > next) gaps.push_back({next, stretch.first - 1});
    next = std::max(next, stretch.last + 1);
  }
  if (next < count) gaps.push_back({next, count - 1});
  return gaps;
}

std::uint64_t length_of(std::span<const Stretch> gaps) {
  std::uint64_t length = 0;
  for (const Stretch& gap : gaps)
    length += gap.last - gap.first + 1;
  return length;
}

std::vector<Stretch> free_stretches(const SubnetRange& range, std::span<const IpPrefix> taken) {
  return gaps_between(taken_stretches(range, taken), range.count());
}

Failure out_of_subnets(const NetworkConfig& config, const DecodedRecords& records) {
  const SubnetRange& range = *config.v4;
  std::string text =
      fmt::format("out of subnets: all {} of /{} from {} to {} are taken", range.count(),
                  range.subnet_len, to_string(range.first), to_string(range.last));
  const auto around = length_of(free_stretches(range, recorded_subnets(config, records)));
  if (around > 0) {
    text += fmt::format(", {} of them by no lease: a host's own address lies in them", around);
  }
  return fail(ErrorKind::exhausted, std::move(text));
}

Result<IpPrefix> pick_free(const NetworkConfig& config, const DecodedRecords& records,
                           std::span<const IpPrefix> taken, const Random& random) {
  const auto gaps = free_stretches(*config.v4, taken);
  const std::uint64_t free = length_of(gaps);
  if (free == 0) return out_of_subnets(config, records);
  std::uint64_t n = random(free);
  for (const Stretch& gap : gaps) {
    const std::uint64_t length = gap.last - gap.first + 1;
    if (n < length) return config.v4->at(gap.first + n);
    n -= length;
  }
  return config.v4->at(gaps.back().last);  // not reached: n < free
}

// The record of ours to continue with; nullptr: none.
const DecodedRecord* own_record(const NetworkConfig& config, const DecodedRecords& records,
                                const HostIdentity& host) {
  const DecodedRecord* best = nullptr;
  std::tuple<bool, Ownership, bool> best_rank;
  for (const DecodedRecord& record : records.leases) {
    const SubnetKey& subnet = record.lease.subnet;
    const Ownership by = host.ownership(record.lease);
    if (by == Ownership::none) continue;
    const bool good = fits(config, subnet);
    // A reservation belongs to the operator, who may still need it.
    if (!good && !record.record.expires()) continue;
    const std::tuple rank{good, by, subnet.v4 == host.subnet};
    if (best != nullptr && rank <= best_rank) continue;
    best = &record;
    best_rank = rank;
  }
  return best;
}

// The newest record with our public IP, for a host that owns none; nullptr: none.
const DecodedRecord* record_to_take_over(const NetworkConfig& config, const DecodedRecords& records,
                                         IpAddress public_ip) {
  const DecodedRecord* last = nullptr;
  for (const DecodedRecord& record : records.leases) {
    if (record.lease.attributes.public_ip != public_ip) continue;
    if (!fits(config, record.lease.subnet)) continue;
    // All records are of one list, so their revisions can be compared.
    if (last == nullptr || record.record.revision > last->record.revision) last = &record;
  }
  return last;
}

}  // namespace

DecodedRecords decode_records(std::span<const Record> records) {
  DecodedRecords decoded;
  decoded.leases.reserve(records.size());
  for (const Record& record : records) {
    const auto subnet = decode_subnet_key(record.key);
    if (!subnet) continue;
    auto attributes = decode_lease(record);
    if (attributes) {
      decoded.leases.push_back({record, {*subnet, *std::move(attributes)}});
    } else {
      decoded.unreadable.push_back(subnet->v4);
    }
  }
  return decoded;
}

bool fits(const NetworkConfig& config, const SubnetKey& key) {
  return config.v4 && config.v4->allows(key.v4) && (!key.v6 || config.v6);
}

std::vector<SubnetKey> reservations_without_effect(const NetworkConfig& config,
                                                   const DecodedRecords& records,
                                                   const HostIdentity& host) {
  std::vector<SubnetKey> subnets;
  for (const DecodedRecord& record : records.leases) {
    if (record.record.expires() || fits(config, record.lease.subnet)) continue;
    if (host.wrote(record.lease.attributes)) subnets.push_back(record.lease.subnet);
  }
  return subnets;
}

Result<SubnetChoice> choose_subnet(const NetworkConfig& config, const DecodedRecords& records,
                                   const Chooser& chooser, const Random& random,
                                   std::span<const IpAddress> keep_clear_of) {
  if (!config.v4) {
    return fail(ErrorKind::unsupported, "a lease without IPv4: EnableIPv4 is false");
  }
  const HostIdentity& host = chooser.host;
  const std::optional<IpPrefix>& previous = host.subnet;
  std::vector<IpPrefix> taken = taken_subnets(config, records, host.public_ip);
  for (const IpAddress ip : keep_clear_of) {
    if (config.v4->network.contains(ip)) taken.push_back(IpPrefix::of(ip, 32));
  }
  const bool previous_is_free =
      previous && config.v4->allows(*previous) &&
      std::none_of(taken.begin(), taken.end(),
                   [&](const IpPrefix& subnet) { return subnet.overlaps(*previous); });
  if (const DecodedRecord* own = own_record(config, records, host)) {
    // The containers of this host are in the previous subnet, so a lease on another subnet comes
    // from a store that was restored to an earlier state. A reservation on another subnet is an
    // operator's decision.
    const bool outdated = previous_is_free && own->record.expires();
    if (fits(config, own->lease.subnet) && !outdated) return Reuse{*own};
    return Discard{*own};
  }
  if (previous_is_free) return Create{*previous};
  if (chooser.address_is_ours) {
    const auto* theirs = record_to_take_over(config, records, host.public_ip);
    if (theirs != nullptr) return TakeOver{*theirs};
  }
  return Create{TRY(pick_free(config, records, taken, random))};
}

}  // namespace flannel
