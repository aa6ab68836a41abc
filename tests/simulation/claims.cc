// SPDX-License-Identifier: Apache-2.0
#include "simulation/claims.h"

#include <fmt/format.h>

#include <algorithm>

#include "backend/vxlan.h"

namespace flannel::simulation {

std::string vtep_of(const LeaseAttributes& attributes, Family family) {
  if (attributes.data(family).empty()) return {};
  const auto data = decode_vxlan_data(attributes.data(family));
  if (!data) return {};
  // A MAC that a record of another backend names belongs to another device.
  return fmt::format("{} {} {}", to_string(data->vtep_mac), to_string(family),
                     attributes.backend_type);
}

void Claims::begin(TimePoint now, const Record& record, IpAddress owner) {
  const auto says = decode_lease_value(record.value);
  if (!says) return;
  const PublicIps ips = says->public_ips();
  std::vector<std::string> claimed;
  if (says->node) {
    claimed.push_back(to_string(says->node->id));
    begin(now, record, owner, claimed.back(), ips);
  }
  for (const Family family : kFamilies) {
    const std::string vtep = vtep_of(*says, family);
    // Nothing is sent to a device without an address.
    if (vtep.empty() || !ips.at(family)) continue;
    claimed.push_back(vtep);
    begin(now, record, owner, vtep, *ips.at(family));
  }
  standing_[record.key] = std::move(claimed);
}

// Written again, a claim goes on.
void Claims::begin(TimePoint now, const Record& record, IpAddress owner, const std::string& what,
                   const PublicIps& ips) {
  std::vector<Claim>& all = claims_[what];
  const auto same = std::find_if(all.begin(), all.end(), [&](const Claim& before) {
    return before.key == record.key && before.owner == owner && before.created == record.created &&
           before.until == now && before.ips == ips;
  });
  if (same == all.end()) {
    all.push_back({owner, ips, record.key, record.created, now});
  } else {
    same->until = kNever;
    same->ended_by_owner = false;
  }
}

void Claims::end(TimePoint now, const std::string& key, bool by_its_owner) {
  const auto standing = standing_.extract(key);
  if (standing.empty()) return;
  for (const std::string& what : standing.mapped()) {
    for (Claim& claim : claims_[what]) {
      if (claim.key != key || claim.until != kNever) continue;
      claim.until = now;
      claim.ended_by_owner = by_its_owner;
    }
  }
}

bool Claims::had_to_be_left(std::string_view what, IpAddress owner, TimePoint since,
                            const std::set<std::string>& unrecognised) const {
  const auto found = claims_.find(what);
  if (found == claims_.end()) return false;
  const auto& all = found->second;
  return std::any_of(all.begin(), all.end(), [&](const Claim& other) {
    const auto is_left_behind = [&](const Claim& own) { return other.is_left_behind_by(own); };
    const bool foreign =
        other.owner != owner || std::any_of(all.begin(), all.end(), is_left_behind);
    if (!foreign || other.until < since) return false;
    return std::none_of(all.begin(), all.end(), [&](const Claim& own) {
      return own.owner == owner && &own != &other && own.is_older_than(other) &&
             own.since <= other.since && (own.until == kNever || own.until > other.until) &&
             !unrecognised.contains(own.key);
    });
  });
}

bool Claims::was_kept(std::string_view what, IpAddress owner, TimePoint since,
                      const std::set<std::string>& unrecognised) const {
  const auto found = claims_.find(what);
  if (found == claims_.end()) return false;
  const auto& all = found->second;
  return std::ranges::any_of(all, [&](const Claim& own) {
    return own.owner == owner && own.since <= since && own.until >= since && lasts(all, own) &&
           !unrecognised.contains(own.key);
  });
}

// Written under another address, it goes on as another claim, which may lapse before its host has
// heard that it was written.
bool Claims::lasts(const std::vector<Claim>& all, const Claim& own) {
  if (own.until == kNever) return true;
  const auto goes_on = [&](const Claim& next) {
    return next.owner == own.owner && next.key == own.key && next.since == own.until &&
           next.until > next.since;
  };
  const auto next = std::ranges::find_if(all, goes_on);
  return next == all.end() ? own.ended_by_owner : lasts(all, *next);
}

}  // namespace flannel::simulation
