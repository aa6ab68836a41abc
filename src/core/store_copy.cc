// SPDX-License-Identifier: Apache-2.0
#include "core/store_copy.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>

#include "core/network_config.h"
#include "core/record_limits.h"

namespace flannel {
namespace {

constexpr std::size_t kMostNamed = 10;

struct Entry {
  const Record* record = nullptr;
  Lease lease;
};
using Entries = std::map<std::string, Entry>;

bool same_owner(const LeaseAttributes& one, const LeaseAttributes& other) {
  if (one.node && other.node) return one.node->id == other.node->id;
  return one.public_ips().same_host(other.public_ips());
}

bool is_upstreams(const Entry& entry) {
  return entry.record->expires() && !entry.lease.attributes.node;
}

// Reads the leases of a list; `unusable` gets a sentence for each other record.
Entries read_leases(const Snapshot& snapshot, std::vector<std::string>* unusable) {
  Entries entries;
  for (const Record& record : snapshot.records) {
    const auto subnet = decode_subnet_key(record.key);
    const auto attributes = subnet ? decode_lease(record) : tl::unexpected(subnet.error());
    if (attributes) {
      entries[record.key] = {&record, {*subnet, *attributes}};
    } else if (unusable != nullptr) {
      unusable->push_back(fmt::format("{} is not copied: {}", record.key, attributes.error().text));
    }
  }
  return entries;
}

std::string owner_of(const Lease& lease) {
  const auto& node = lease.attributes.node;
  return to_string(lease.attributes.public_ips()) + (node ? " (" + to_string(*node) + ")" : "");
}

// The shortest TTL that every store grants.
constexpr std::chrono::seconds kShortestTtl{1};

// The records of one network must not mix with those of another.
class CopyPlanner {
 public:
  CopyPlanner(const Snapshot& from, const Snapshot& to, const CopyRequest& request)
      : from_(from), to_(to), request_(request) {}

  Result<CopyPlan> plan() {
    TRY(read_notes());
    TRY(plan_configs());
    const Entries mine = read_leases(from_, &plan_.remarks);
    const Entries theirs = read_leases(to_, nullptr);
    for (const auto& [key, entry] : mine) {
      const auto there = theirs.find(key);
      plan_record(entry, there == theirs.end() ? nullptr : &there->second);
    }
    sort_by_age(mine);
    for (const auto& [key, entry] : theirs) {
      if (!mine.contains(key)) plan_leftover(entry);
    }
    object_to_upstream(mine);
    remark_unknown_lives(mine);
    return std::move(plan_);
  }

 private:
  Result<void> read_notes() {
    if (!from_.config) {
      return fail(ErrorKind::not_found, to_string(request_.from) + " has no configuration");
    }
    const MoveNotes notes = TRY(read_move_notes(from_.config->text));
    if (notes.from && !notes.from->retired) {
      return fail(ErrorKind::conflict,
                  fmt::format("{} is itself the target of an unfinished move from {}",
                              to_string(request_.from), to_string(notes.from->store)));
    }
    if (notes.to && notes.to->retired) {
      return fail(ErrorKind::conflict,
                  fmt::format("{} is retired, its network is in {}", to_string(request_.from),
                              to_string(notes.to->store)));
    }
    if (notes.to && notes.to->store != request_.to) {
      return fail(ErrorKind::conflict,
                  fmt::format("{} moves to {} already; \"flannelctl store abandon\" gives that up",
                              to_string(request_.from), to_string(notes.to->store)));
    }
    under_way_ = notes.to.has_value();
    plan_.id = under_way_ ? notes.to->id : request_.new_id;
    return {};
  }

  Result<void> plan_configs() {
    const auto network = TRY_DURING(parse_network_config(from_.config->text),
                                    "the configuration of " + to_string(request_.from));
    if (to_.config) TRY(compare_target(network.config));
    const MoveNote to{.id = plan_.id, .store = request_.to};
    const MoveNote from{.id = plan_.id, .store = request_.from};
    plan_.config_of_from = TRY(with_move_notes(from_.config->text, {.to = to, .from = {}}));
    plan_.config_of_to = TRY(with_move_notes(from_.config->text, {.to = {}, .from = from}));
    plan_.seen_of_from = from_.config->revision;
    plan_.seen_of_to = to_.config ? to_.config->revision : 0;
    return {};
  }

  // Looks at the configuration that the new store has already. If it has a note of a move from this
  // store, or is retired, then no host owns anything by its records alone.
  Result<void> compare_target(const NetworkConfig& network) {
    const auto notes = read_move_notes(to_.config->text);
    const bool is_target =
        notes && notes->from && notes->from->store == request_.from && !notes->from->retired;
    if (under_way_ && !is_target) {
      return fail(ErrorKind::conflict,
                  fmt::format("{} is not the target of this move any more; if the move was "
                              "completed by force, \"flannelctl store retire --force\" ends it",
                              to_string(request_.to)));
    }
    known_target_ = is_target || (notes && notes->to && notes->to->retired);
    if (known_target_) return {};
    if (notes && notes->from && !notes->from->retired) {
      plan_.objections.push_back(fmt::format("{} is the target of an unfinished move from {}",
                                             to_string(request_.to),
                                             to_string(notes->from->store)));
    }
    const auto other = parse_network_config(to_.config->text);
    if (!other || other->config != network) {
      plan_.objections.push_back(to_string(request_.to) +
                                 " has the configuration of another network");
    }
    return {};
  }

  void plan_record(const Entry& mine, const Entry* there) {
    const bool reservation = !mine.record->expires();
    const bool has_host = mine.lease.attributes.node || !reservation;
    const std::string value =
        has_host ? with_copy_mark(mine.record->value, plan_.id) : mine.record->value;
    CopyStep step{mine.record->key, owner_of(mine.lease), reservation, CopyStep::Keep{},
                  ttl_of_copy(*mine.record, request_.lives, request_.ttl)};
    if (there == nullptr) {
      step.act = CopyStep::Create{value};
    } else if (!same_owner(mine.lease.attributes, there->lease.attributes)) {
      if (!known_target_ && !has_copy_mark(there->record->value)) {
        plan_.objections.push_back(fmt::format("{} has a lease of {} on {}", to_string(request_.to),
                                               owner_of(there->lease),
                                               to_string(there->lease.subnet)));
      }
      step.act = CopyStep::Replace{*there->record, value};
    } else if (!under_way_ || reservation == there->record->expires()) {
      // Before the move is under way no host has followed, so the record is of another time.
      step.act = CopyStep::Replace{*there->record, value};
    }
    plan_.steps.push_back(std::move(step));
  }

  // The age of a lease decides between leases that exclude each other, so copies are made in the
  // order of the originals. All revisions are of one list.
  void sort_by_age(const Entries& mine) {
    std::ranges::stable_sort(
        plan_.steps, {}, [&](const CopyStep& step) { return mine.at(step.key).record->created; });
  }

  // A record of the new store without one in the old store.
  void plan_leftover(const Entry& there) {
    const bool stale = known_target_ && !under_way_;
    if (stale || has_copy_mark(there.record->value)) {
      plan_.steps.push_back({there.record->key,
                             owner_of(there.lease),
                             !there.record->expires(),
                             CopyStep::Remove{*there.record},
                             {}});
    } else if (!known_target_) {
      plan_.objections.push_back(fmt::format(
          "{} has a lease of {} on {}, which {} has not", to_string(request_.to),
          owner_of(there.lease), to_string(there.lease.subnet), to_string(request_.from)));
    }
  }

  void object_to_upstream(const Entries& mine) {
    std::string named;
    std::size_t count = 0;
    for (const auto& [key, entry] : mine) {
      if (!is_upstreams(entry)) continue;
      if (++count <= kMostNamed) named += (named.empty() ? "" : ", ") + owner_of(entry.lease);
    }
    if (count == 0) return;
    if (count > kMostNamed) named += fmt::format(" and {} more", count - kMostNamed);
    plan_.objections.push_back(fmt::format("daemons that do not follow a move stay with {}: {}",
                                           to_string(request_.from), named));
  }

  void remark_unknown_lives(const Entries& mine) {
    const auto unknown = std::ranges::count_if(mine, [&](const auto& one) {
      return one.second.record->expires() && !request_.lives.left.contains(one.first);
    });
    if (unknown == 0) return;
    plan_.remarks.push_back(
        fmt::format("{} does not say how long {} of its leases live on: {} s "
                    "are taken for them",
                    to_string(request_.from), unknown, request_.ttl.count()));
  }

  const Snapshot& from_;
  const Snapshot& to_;
  const CopyRequest& request_;
  CopyPlan plan_;
  bool under_way_ = false;     // the old store has its note, so hosts follow
  bool known_target_ = false;  // the new store decides nothing
};

Following following_of(const Entry& mine, const Entry* there) {
  const bool reserved = !mine.record->expires() && !mine.lease.attributes.node;
  if (there == nullptr) return Following::missing;
  if (!same_owner(mine.lease.attributes, there->lease.attributes)) return Following::taken;
  if (reserved) return Following::reserved;
  if (is_upstreams(mine)) return Following::upstream;
  return has_copy_mark(there->record->value) ? Following::copied : Following::followed;
}

}  // namespace

Ttl ttl_of_copy(const Record& original, const RemainingLives& lives,
                std::chrono::seconds otherwise) {
  if (!original.expires()) return std::nullopt;
  const auto known = lives.left.find(original.key);
  return std::max(kShortestTtl, known == lives.left.end() ? otherwise : known->second);
}

Result<CopyPlan> plan_copy(const Snapshot& from, const Snapshot& to, const CopyRequest& request) {
  CopyPlan plan = TRY(CopyPlanner(from, to, request).plan());
  if (plan.objections.empty() || request.force) return plan;
  return fail(ErrorKind::conflict,
              fmt::format("{} (--force copies all the same)", fmt::join(plan.objections, "; ")));
}

std::string_view to_string(Following following) {
  switch (following) {
    case Following::followed:
      return "has followed";
    case Following::copied:
      return "has not followed yet";
    case Following::missing:
      return "is missing in the new store";
    case Following::taken:
      return "another host has its subnet in the new store";
    case Following::upstream:
      return "runs a daemon that does not follow";
    case Following::reserved:
      return "reservation, is in both stores";
  }
  return "";
}

std::vector<FollowingHost> hosts_of_move(const Snapshot& from, const Snapshot& to) {
  const Entries mine = read_leases(from, nullptr);
  const Entries theirs = read_leases(to, nullptr);
  std::vector<FollowingHost> hosts;
  for (const auto& [key, entry] : mine) {
    const auto there = theirs.find(key);
    hosts.push_back({key, entry.lease, *entry.record,
                     following_of(entry, there == theirs.end() ? nullptr : &there->second)});
  }
  std::ranges::sort(hosts, {}, [](const FollowingHost& host) { return host.lease.subnet; });
  return hosts;
}

}  // namespace flannel
