// SPDX-License-Identifier: Apache-2.0
// The part of LeaseKeeper that makes a record ours, starting from a snapshot of all records.
#include <fmt/format.h>

#include <algorithm>

#include "core/lease_keeper.h"
#include "core/move_notes.h"
#include "core/record_limits.h"

namespace flannel {
namespace {

// For so long after a take-over, the node that had written the record may take it back.
constexpr auto kContested = std::chrono::seconds(30);

}  // namespace

void LeaseKeeper::acquire(TimePoint now, const Snapshot& snapshot, Acts& acts) {
  if (lease_ || options_.only) {
    reclaim(now, snapshot, acts);
  } else {
    choose(now, decode_records(snapshot.records), acts);
  }
}

void LeaseKeeper::choose(TimePoint now, const DecodedRecords& records, Acts& acts) {
  const Chooser us{HostIdentity(public_ip_, options_.node, previous_), options_.address_is_ours};
  auto choice = choose_subnet(config_, records, us, random_, options_.keep_clear_of);
  if (!choice) {
    report(std::move(choice).error(), acts);
    enter(keeper::Paused{retry_at(now)});
  } else if (const auto* reuse = std::get_if<Reuse>(&*choice)) {
    adopt(now, reuse->own.record, reuse->own.lease.subnet, &reuse->own.lease, acts);
  } else if (const auto* other = std::get_if<TakeOver>(&*choice)) {
    taken_over_.emplace(*other->theirs.lease.attributes.node, now);
    acts.emplace_back(ReportTakeOver{other->theirs.lease});
    adopt(now, other->theirs.record, other->theirs.lease.subnet, &other->theirs.lease, acts);
  } else if (const auto* discard = std::get_if<Discard>(&*choice)) {
    // If only the form of the key does not fit, for example because it names both families, the
    // host keeps its subnet under another key. A record that fits is discarded in favour of the
    // previous subnet.
    const SubnetKey& subnet = discard->own.lease.subnet;
    if (config_.v4->allows(subnet.v4) && !fits(config_, subnet)) previous_ = subnet.v4;
    enter(keeper::Discarding{});
    acts.emplace_back(ReleaseRecord{discard->own.record});
  } else {
    create({std::get<Create>(*choice).subnet, std::nullopt}, nullptr, acts);
  }
}

// Makes the record of the lease that we have, or had, ours again, if no other host has its subnet.
void LeaseKeeper::reclaim(TimePoint now, const Snapshot& snapshot, Acts& acts) {
  const SubnetKey subnet = lease_ ? lease_->subnet : *options_.only;
  const std::string key = encode_subnet_key(subnet);
  const Record* own = nullptr;
  std::string by;  // the host that has the subnet, and its record
  for (const Record& record : snapshot.records) {
    const auto other = decode_subnet_key(record.key);
    if (!other || !other->v4.overlaps(subnet.v4) || !config_.v4->network.contains(other->v4))
      continue;
    const auto attributes = decode_lease(record);
    const bool ours =
        attributes ? is_ours(*other, *attributes) || is_free_copy(record) : record.key == key;
    if (record.key == key && attributes && is_contested(now, *attributes)) {
      give_way(acts);
      return choose(now, decode_records(snapshot.records), acts);
    }
    if (ours && record.key == key) own = &record;
    if (ours || !by.empty()) continue;
    by = fmt::format("{} has {}",
                     attributes ? to_string(attributes->public_ip) : "a record that is no lease",
                     record.key);
  }
  if (own != nullptr) {
    adopt(now, *own, subnet, lease_ ? &*lease_ : nullptr, acts);
  } else if (!by.empty() && (options_.renumber || yields_)) {
    report_lost("taken: " + by, acts);
    choose(now, decode_records(snapshot.records), acts);
  } else if (!by.empty()) {
    on_taken(now, by, acts);
  } else {
    report_lost("its record is gone from the store", acts);
    create(subnet, lease_ ? &*lease_ : nullptr, acts);
  }
}

// Takes a record of ours from the list for our lease. `seen`: the lease that it has now.
void LeaseKeeper::adopt(TimePoint now, const Record& record, const SubnetKey& subnet,
                        const Lease* seen, Acts& acts) {
  set_target(subnet, seen);
  if (!record.expires() && target_->value == record.value) expires_ = kNever;
  update(now, record, acts);
}

void LeaseKeeper::create(const SubnetKey& subnet, const Lease* seen, Acts& acts) {
  set_target(subnet, seen);
  enter(keeper::Creating{});
  acts.emplace_back(CreateRecord{encode_subnet_key(subnet), target_->value, options_.ttl});
}

void LeaseKeeper::on_taken(TimePoint now, const std::string& by, Acts& acts) {
  report_lost("taken: " + by, acts);
  report({ErrorKind::conflict,
          lease_ ? fmt::format("cannot take {} again: {}", to_string(lease_->subnet), by) : by},
         acts);
  enter(keeper::Paused{retry_at(now)});
}

void LeaseKeeper::report_lost(const std::string& reason, Acts& acts) {
  expires_ = kNever;
  if (!lease_) return;  // only one subnet is wanted, and it has not been had yet
  if (std::exchange(alarm_, Alarm::lost) == Alarm::lost) return;
  acts.emplace_back(ReportLost{*lease_, reason});
}

void LeaseKeeper::set_target(const SubnetKey& subnet, const Lease* seen) {
  Lease lease{subnet, announce_(seen)};
  lease.attributes.node = options_.node;
  public_ip_ = lease.attributes.public_ip;
  std::string value = encode_lease_value(lease.attributes);
  target_.emplace(Target{std::move(lease), std::move(value)});
}

// After a change of the public IP our record has the old one until it is written again. The record
// at the subnet of our lease stays ours if another node writes there under our public IP.
bool LeaseKeeper::is_ours(const SubnetKey& subnet, const LeaseAttributes& record) const {
  std::optional<IpPrefix> held;
  if (lease_ || options_.only) held = lease_ ? lease_->subnet.v4 : options_.only->v4;
  const auto owns = [&](IpAddress ip) {
    return HostIdentity(ip, options_.node, held).owns({subnet, record});
  };
  return owns(public_ip_) || (lease_ && owns(lease_->attributes.public_ip));
}

// A copy of another host's lease that its host has not taken, where the other store knows better.
bool LeaseKeeper::is_free_copy(const Record& record) const {
  return options_.only && has_copy_mark(record.value);
}

// True if the node whose record we took over has written it again.
bool LeaseKeeper::is_contested(TimePoint now, const LeaseAttributes& record) const {
  return taken_over_ && record.node && *record.node == taken_over_->first &&
         now - taken_over_->second < kContested;
}

void LeaseKeeper::give_way(Acts& acts) {
  report_lost(
      fmt::format("node {} is alive and has written it again: two hosts have the address {}",
                  to_string(taken_over_->first), to_string(public_ip_)),
      acts);
  if (previous_ == lease_->subnet.v4) previous_.reset();
  lease_.reset();
  target_.reset();
  taken_over_.reset();
  options_.address_is_ours = false;
}

}  // namespace flannel
