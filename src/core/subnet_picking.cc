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
std::vector<Cidr4> recorded_subnets(const NetworkConfig& config, const DecodedRecords& records) {
  std::vector<Cidr4> recorded;
  const auto add = [&](const Cidr4& subnet) {
    if (config.network.contains(subnet)) recorded.push_back(subnet);
  };
  for (const DecodedRecord& record : records.leases)
    add(record.lease.subnet.v4);
  for (const Cidr4& subnet : records.unreadable)
    add(subnet);
  return recorded;
}

// The ranges inside of the network that are not free: subnets of records, and addresses of the
// underlay. A route to a subnet that contains such an address would cut that host off.
std::vector<Cidr4> taken_subnets(const NetworkConfig& config, const DecodedRecords& records,
                                 Ip4 public_ip) {
  std::vector<Cidr4> taken = recorded_subnets(config, records);
  const auto add = [&](Ip4 ip) {
    if (config.network.contains(ip)) taken.push_back(Cidr4::of(ip, 32));
  };
  add(public_ip);
  for (const DecodedRecord& record : records.leases)
    add(record.lease.attributes.public_ip);
  return taken;
}

// The part of the configured range that is not free, as sorted stretches, which may overlap.
std::vector<Stretch> taken_stretches(const NetworkConfig& config, std::span<const Cidr4> taken) {
  const std::uint64_t size = config.subnet_at(0).size();
  const std::uint64_t begin = config.subnet_min.value;
  const std::uint64_t last = config.subnet_max.value + size - 1;  // 64 bits: no overflow
  std::vector<Stretch> stretches;
  stretches.reserve(taken.size());
  for (const Cidr4& subnet : taken) {
    const std::uint64_t from = std::max<std::uint64_t>(subnet.base.value, begin);
    const std::uint64_t to = std::min<std::uint64_t>(subnet.last().value, last);
    if (from <= to) stretches.push_back({(from - begin) / size, (to - begin) / size});
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

std::vector<Stretch> free_stretches(const NetworkConfig& config, std::span<const Cidr4> taken) {
  return gaps_between(taken_stretches(config, taken), config.subnet_count());
}

Failure out_of_subnets(const NetworkConfig& config, const DecodedRecords& records) {
  std::string text =
      fmt::format("out of subnets: all {} of /{} from {} to {} are taken", config.subnet_count(),
                  config.subnet_len, to_string(config.subnet_min), to_string(config.subnet_max));
  const auto around = length_of(free_stretches(config, recorded_subnets(config, records)));
  if (around > 0) {
    text += fmt::format(", {} of them by no lease: a host's own address lies in them", around);
  }
  return fail(ErrorKind::exhausted, std::move(text));
}

Result<Cidr4> pick_free(const NetworkConfig& config, const DecodedRecords& records,
                        std::span<const Cidr4> taken, const Random& random) {
  const auto gaps = free_stretches(config, taken);
  const std::uint64_t free = length_of(gaps);
  if (free == 0) return out_of_subnets(config, records);
  std::uint64_t n = random(free);
  for (const Stretch& gap : gaps) {
    const std::uint64_t length = gap.last - gap.first + 1;
    if (n < length) return config.subnet_at(gap.first + n);
    n -= length;
  }
  return config.subnet_at(gaps.back().last);  // not reached: n < free
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
                                         Ip4 public_ip) {
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
  return config.allows(key.v4) && (!key.v6 || config.enable_ipv6);
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
                                   std::span<const Ip4> keep_clear_of) {
  if (!config.enable_ipv4) {
    return fail(ErrorKind::unsupported, "a lease without IPv4: EnableIPv4 is false");
  }
  const HostIdentity& host = chooser.host;
  const std::optional<Cidr4>& previous = host.subnet;
  std::vector<Cidr4> taken = taken_subnets(config, records, host.public_ip);
  for (const Ip4 ip : keep_clear_of) {
    if (config.network.contains(ip)) taken.push_back(Cidr4::of(ip, 32));
  }
  const bool previous_is_free = previous && config.allows(*previous) &&
                                std::none_of(taken.begin(), taken.end(), [&](const Cidr4& subnet) {
                                  return subnet.overlaps(*previous);
                                });
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
