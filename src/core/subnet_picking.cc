// SPDX-License-Identifier: Apache-2.0
#include "core/subnet_picking.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <tuple>

#include "core/listed_lease.h"
#include "core/record_limits.h"

namespace flannel {
namespace {

// The ages before and after every record of a list.
constexpr LeaseAge kOldest{};
constexpr LeaseAge kYoungest{.created = std::numeric_limits<Revision>::max()};

// The subnets with the numbers first..last of the configured range.
struct Stretch {
  std::uint64_t first = 0, last = 0;
  auto operator<=>(const Stretch&) const = default;
};

// The subnets of records, except of `own`, that are inside of the network.
std::vector<IpPrefix> recorded_subnets(const SubnetRange& range, const DecodedRecords& records,
                                       const DecodedRecord* own = nullptr) {
  std::vector<IpPrefix> recorded;
  const auto add = [&](const SubnetKey& key) {
    const auto& subnet = key.at(range.network.family());
    if (subnet && range.network.contains(*subnet)) recorded.push_back(*subnet);
  };
  for (const DecodedRecord& record : records.leases) {
    if (&record != own) add(record.lease.subnet);
  }
  for (const SubnetKey& subnet : records.unreadable)
    add(subnet);
  return recorded;
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

Failure out_of_subnets(const SubnetRange& range, const DecodedRecords& records) {
  std::string text =
      fmt::format("out of subnets: all {} of /{} from {} to {} are taken", range.count(),
                  range.subnet_len, to_string(range.first), to_string(range.last));
  const auto around = length_of(free_stretches(range, recorded_subnets(range, records)));
  if (around > 0) {
    text += fmt::format(", {} of them by no lease: a host's own address lies in them", around);
  }
  return fail(ErrorKind::exhausted, std::move(text));
}

// What a choice depends on.
struct Situation {
  const NetworkConfig& config;
  const DecodedRecords& records;
  const Chooser& chooser;
  const Random& random;
  std::span<const IpAddress> keep_clear_of;

  // The previous subnet of a family, if it is inside of the network. The rules for new subnets may
  // have changed since, but containers have addresses in it.
  std::optional<IpPrefix> previous(Family family) const {
    const auto& before = chooser.host.subnet;
    if (!before || !before->at(family)) return std::nullopt;
    const bool inside = config.at(family)->network.contains(*before->at(family));
    return inside ? before->at(family) : std::nullopt;
  }
  // True if this host may have a lease on the subnet: it is its previous one, or allowed to all.
  bool allows(const IpPrefix& subnet) const {
    const auto& range = config.at(subnet.family());
    return range && (range->allows(subnet) || previous(subnet.family()) == subnet);
  }
  // True if the key has subnets of the families of the network, and this host may have them.
  bool fits(const SubnetKey& key) const {
    return std::ranges::all_of(kFamilies, [&](Family family) {
      const auto& subnet = key.at(family);
      return config.at(family) ? subnet && allows(*subnet) : !subnet;
    });
  }
};

// The ranges inside of the network that are not free: subnets of records except of `own`, and
// addresses of the underlay. A route to a subnet that contains such an address would cut that host
// off.
std::vector<IpPrefix> taken_subnets(const Situation& now, const SubnetRange& range,
                                    const DecodedRecord* own) {
  std::vector<IpPrefix> taken = recorded_subnets(range, now.records, own);
  const Family family = range.network.family();
  const auto add = [&](const std::optional<IpAddress>& ip) {
    if (ip && range.network.contains(*ip)) taken.push_back({*ip, address_bits(family)});
  };
  add(now.chooser.host.public_ips.at(family));
  for (const DecodedRecord& record : now.records.leases)
    add(record.lease.attributes.public_ips().at(family));
  for (const IpAddress& ip : now.keep_clear_of)
    add(ip);
  return taken;
}

bool is_free(const IpPrefix& subnet, std::span<const IpPrefix> taken) {
  return std::ranges::none_of(taken, [&](const IpPrefix& other) { return other.overlaps(subnet); });
}

// A free subnet; preferably the one with this number in its range.
Result<IpPrefix> pick_free(const Situation& now, const SubnetRange& range,
                           std::span<const IpPrefix> taken, std::optional<std::uint64_t> number) {
  if (number && *number < range.count() && is_free(range.at(*number), taken)) {
    return range.at(*number);
  }
  const auto gaps = free_stretches(range, taken);
  const std::uint64_t free = length_of(gaps);
  if (free == 0) return out_of_subnets(range, now.records);
  std::uint64_t n = now.random(free);
  for (const Stretch& gap : gaps) {
    const std::uint64_t length = gap.last - gap.first + 1;
    if (n < length) return range.at(gap.first + n);
    n -= length;
  }
  return range.at(gaps.back().last);  // not reached: n < free
}

// Another record of ours, in whose place `own` was created; nullptr: none.
const DecodedRecord* former_record(const Situation& now, const DecodedRecord& own) {
  const auto former = std::ranges::find_if(now.records.leases, [&](const DecodedRecord& other) {
    return &other != &own && other.lease.subnet.shares_subnet_with(own.lease.subnet) &&
           (other.record.expires() || !own.record.expires()) && now.chooser.host.owns(other.lease);
  });
  return former == now.records.leases.end() ? nullptr : &*former;
}

// All records are of one list, so their ages can be compared.
LeaseAge age_of(const DecodedRecord& record) {
  return {record.record.created, record.lease.subnet};
}

bool has_address(const Lease& lease) {
  return std::ranges::any_of(values_of(lease.attributes.public_ips()), can_be_a_host);
}

// The first record of another host that overlaps the subnet, can be used, and is younger than
// `since` and older than `until`; nullptr: none.
const DecodedRecord* created_between(const Situation& now, const IpPrefix& subnet,
                                     const LeaseAge& since, const LeaseAge& until) {
  const SubnetRange& range = *now.config.at(subnet.family());
  const auto found = std::ranges::find_if(now.records.leases, [&](const DecodedRecord& other) {
    const auto& theirs = other.lease.subnet.at(subnet.family());
    return theirs && theirs->overlaps(subnet) && range.network.contains(*theirs) &&
           age_of(other) > since && age_of(other) < until && has_address(other.lease) &&
           !now.chooser.host.owns(other.lease);
  });
  return found == now.records.leases.end() ? nullptr : &*found;
}

// True if an older record of another host overlaps this own lease in the family, so that no host
// sends packets to it, also if it is a reservation. Containers that have addresses in the subnet
// are cut off in any case.
bool is_outranked(const Situation& now, const DecodedRecord& own, Family family) {
  return created_between(now, *own.lease.subnet.at(family), kOldest, age_of(own)) != nullptr;
}

// The subnet of a family that this own record can keep.
std::optional<IpPrefix> usable(const Situation& now, const DecodedRecord& own, Family family) {
  const auto& subnet = own.lease.subnet.at(family);
  if (!subnet || !now.allows(*subnet)) return std::nullopt;
  return is_outranked(now, own, family) ? std::nullopt : subnet;
}

// How much of an own record can be used.
enum class Use { nothing, outranked, some, all };

Use use_of(const Situation& now, const DecodedRecord& own) {
  const bool some = std::ranges::any_of(
      kFamilies, [&](Family family) { return usable(now, own, family).has_value(); });
  if (!now.fits(own.lease.subnet)) return some ? Use::some : Use::nothing;
  const bool all = std::ranges::all_of(
      kFamilies, [&](Family family) { return !now.config.at(family) || usable(now, own, family); });
  return all ? Use::all : some ? Use::some : Use::outranked;
}

// The record of ours to continue with; nullptr: none.
const DecodedRecord* own_record(const Situation& now) {
  const HostIdentity& host = now.chooser.host;
  const DecodedRecord* best = nullptr;
  std::tuple<Use, Ownership, bool, Use> best_rank;
  for (const DecodedRecord& record : now.records.leases) {
    const SubnetKey& subnet = record.lease.subnet;
    const Ownership by = host.ownership(record.lease);
    if (by == Ownership::none) continue;
    const Use use = use_of(now, record);
    // A reservation belongs to the operator, who may still need it.
    if (use == Use::nothing && !record.record.expires()) continue;
    // A record that is to be exchanged is not the less ours for that.
    const std::tuple rank{std::min(use, Use::some), by,
                          host.subnet && subnet.shares_subnet_with(*host.subnet), use};
    if (best != nullptr && rank <= best_rank) continue;
    best = &record;
    best_rank = rank;
  }
  return best;
}

// Fails if another host's record is younger than `former`, and would be older than the record of
// ours on `subnets`, which has or will have this age and is in place of `former`: without `former`
// all hosts would use that record instead of ours.
Result<void> check_exchange(const Situation& now, const DecodedRecord& former,
                            const SubnetKey& subnets, const LeaseAge& age) {
  for (const IpPrefix& subnet : values_of(subnets)) {
    if (former.lease.subnet.at(subnet.family()) != subnet) continue;
    const DecodedRecord* other = created_between(now, subnet, age_of(former), age);
    if (other == nullptr) continue;
    return fail(ErrorKind::conflict,
                fmt::format("cannot exchange {} for {}: {} of {}, which overlaps it, would become "
                            "the older record; delete it if it is wrong",
                            former.record.key, encode_subnet_key(subnets), other->record.key,
                            to_string(other->lease.attributes.public_ips())));
  }
  return {};
}

bool is_outranked(const Situation& now, const DecodedRecord& record) {
  return std::ranges::any_of(values_of(record.lease.subnet), [&](const IpPrefix& subnet) {
    return created_between(now, subnet, kOldest, age_of(record)) != nullptr;
  });
}

// The newest usable record with our public IP, for a host that owns none; nullptr: none.
const DecodedRecord* record_to_take_over(const Situation& now) {
  const DecodedRecord* last = nullptr;
  for (const DecodedRecord& record : now.records.leases) {
    const PublicIps theirs = record.lease.attributes.public_ips();
    if (!now.chooser.host.public_ips.same_host(theirs)) continue;
    if (!now.fits(record.lease.subnet) || is_outranked(now, record)) continue;
    // All records are of one list, so their revisions can be compared.
    if (last == nullptr || record.record.revision > last->record.revision) last = &record;
  }
  return last;
}

// The subnets to lease; `own`: our record, if there is one.
struct Wanted {
  SubnetKey subnet;
  bool has_previous = false;  // one of the subnets is the previous one, and free
};

Result<Wanted> wanted_subnets(const Situation& now, const DecodedRecord* own) {
  Wanted wanted;
  std::optional<std::uint64_t> number;  // of the IPv4 subnet in its range
  for (const Family family : kFamilies) {
    const auto& range = now.config.at(family);
    if (!range) continue;
    const std::vector<IpPrefix> taken = taken_subnets(now, *range, own);
    const std::optional<IpPrefix> previous = now.previous(family);
    const bool previous_is_free = previous && is_free(*previous, taken);
    wanted.has_previous |= previous_is_free;
    const auto kept = own == nullptr ? std::nullopt : usable(now, *own, family);
    std::optional<IpPrefix>& subnet = wanted.subnet.at(family);
    // The containers of this host are in the previous subnet, so a lease on another subnet comes
    // from a store that was restored to an earlier state. A reservation on another subnet is an
    // operator's decision.
    if (previous_is_free && (!kept || own->record.expires())) subnet = previous;
    if (!subnet) subnet = kept;
    if (!subnet) subnet = TRY(pick_free(now, *range, taken, number));
    if (range->allows(*subnet)) number = range->number_of(subnet->base);
  }
  return wanted;
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
      decoded.unreadable.push_back(*subnet);
    }
  }
  return decoded;
}

bool can_be_kept(const NetworkConfig& config, const SubnetKey& key) {
  return std::ranges::all_of(kFamilies, [&](Family family) {
    const auto& range = config.at(family);
    const auto& subnet = key.at(family);
    return range ? subnet && range->network.contains(*subnet) : !subnet;
  });
}

std::vector<SubnetKey> reservations_without_effect(const NetworkConfig& config,
                                                   const DecodedRecords& records,
                                                   const HostIdentity& host) {
  std::vector<SubnetKey> subnets;
  for (const DecodedRecord& record : records.leases) {
    const SubnetKey& subnet = record.lease.subnet;
    const bool has_effect = std::ranges::any_of(kFamilies, [&](Family family) {
      const auto& range = config.at(family);
      return range && subnet.at(family) && range->allows(*subnet.at(family));
    });
    if (record.record.expires() || has_effect) continue;
    if (host.wrote(record.lease.attributes)) subnets.push_back(subnet);
  }
  return subnets;
}

Result<SubnetChoice> choose_subnet(const NetworkConfig& config, const DecodedRecords& records,
                                   const Chooser& chooser, const Random& random,
                                   std::span<const IpAddress> keep_clear_of) {
  const Situation now{config, records, chooser, random, keep_clear_of};
  const DecodedRecord* own = own_record(now);
  if (own != nullptr && use_of(now, *own) < Use::some) return Discard{*own};
  const Result<Wanted> wanted = wanted_subnets(now, own);
  if (own == nullptr && chooser.address_is_ours && !(wanted && wanted->has_previous)) {
    const DecodedRecord* theirs = record_to_take_over(now);
    if (theirs != nullptr) return TakeOver{*theirs};
  }
  const SubnetKey subnet = TRY(wanted).subnet;
  if (own == nullptr) return Create{subnet};
  if (!own->lease.subnet.shares_subnet_with(subnet)) return Discard{*own};
  if (own->lease.subnet != subnet) {
    TRY(check_exchange(now, *own, subnet, kYoungest));
    return Create{subnet, *own};
  }
  const DecodedRecord* former = former_record(now, *own);
  if (former == nullptr) return Reuse{*own};
  TRY(check_exchange(now, *former, subnet, age_of(*own)));
  return Discard{*former};
}

}  // namespace flannel
