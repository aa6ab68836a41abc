// SPDX-License-Identifier: Apache-2.0
// LeaseKeeper: from a list of all records to one that is ours.
#include <fmt/format.h>

#include <algorithm>

#include "core/lease_keeper.h"

namespace flannel {

void LeaseKeeper::acquire(TimePoint now, const Snapshot& snapshot, Acts& acts) {
  if (leaving_) {
    const std::string key = target_ ? encode_subnet_key(target_->subnet) : std::string();
    for (const Record& record : snapshot.records) {
      if (record.key != key) continue;
      const auto attributes = decode_lease_value(record.value);
      if (attributes && is_ours(*attributes)) record_ = record;
    }
    if (!record_) target_.reset();
    leave(acts);
  } else if (lease_) {
    take_again(now, snapshot, acts);
  } else {
    choose(now, decode_records(snapshot.records), acts);
  }
}

void LeaseKeeper::choose(TimePoint now, const DecodedRecords& records, Acts& acts) {
  auto choice = choose_subnet(config_, records, HostIdentity(public_ip_, options_.node), previous_,
                              random_, options_.keep_clear_of);
  if (!choice) {
    report(std::move(choice).error(), acts);
    pause(now);
  } else if (const auto* reuse = std::get_if<Reuse>(&*choice)) {
    take_up(now, reuse->own.record, &reuse->own.lease, acts);
  } else if (const auto* discard = std::get_if<Discard>(&*choice)) {
    // A change of the key's form, to one family only for example, need not cost the subnet. What
    // fits goes because the previous subnet is better.
    const SubnetKey& subnet = discard->own.lease.subnet;
    if (config_.allows(subnet.v4) && !fits(config_, subnet)) previous_ = subnet.v4;
    call_ = Call::release;
    acts.emplace_back(ReleaseRecord{discard->own.record});
  } else {
    create({std::get<Create>(*choice).subnet, std::nullopt}, nullptr, acts);
  }
}

// We held this subnet, and the store may think differently now.
void LeaseKeeper::take_again(TimePoint now, const Snapshot& snapshot, Acts& acts) {
  const SubnetKey subnet = lease_->subnet;
  const std::string key = encode_subnet_key(subnet);
  const Record* own = nullptr;
  std::string by;  // who is in the way
  for (const Record& record : snapshot.records) {
    const auto other = decode_subnet_key(record.key);
    if (!other || !other->v4.overlaps(subnet.v4) || !config_.network.contains(other->v4)) continue;
    const auto attributes = decode_lease_value(record.value);
    const bool ours = attributes ? is_ours(*attributes) : record.key == key;
    if (ours && record.key == key) own = &record;
    if (ours || !by.empty()) continue;
    by = fmt::format("{} has {}",
                     attributes ? to_string(attributes->public_ip) : "a record that is no lease",
                     record.key);
  }
  if (own != nullptr) {
    take_up(now, *own, &*lease_, acts);
  } else if (!by.empty() && options_.renumber) {
    lose("taken: " + by, acts);
    choose(now, decode_records(snapshot.records), acts);
  } else if (!by.empty()) {
    taken(now, by, acts);
  } else {
    lose("its record is gone from the store", acts);
    create(subnet, &*lease_, acts);
  }
}

// The record is ours: make it say what we announce, and live.
void LeaseKeeper::take_up(TimePoint now, const Record& record, const Lease* seen, Acts& acts) {
  const SubnetKey subnet = seen->subnet;
  enter(LeaseEvent::chosen);
  aim(subnet, seen);
  record_ = record;
  if (target_value_ != record.value) {
    call_ = Call::replace;
    acts.emplace_back(ReplaceRecord{record, target_value_, ttl_for(record)});
  } else if (record.hold != 0) {
    call_ = Call::renew;
    acts.emplace_back(RenewRecord{record, ttl_for(record)});
  } else {
    expires_ = kNever;
    confirm(now, acts);
  }
}

void LeaseKeeper::create(const SubnetKey& subnet, const Lease* seen, Acts& acts) {
  enter(LeaseEvent::chosen);
  aim(subnet, seen);
  call_ = Call::create;
  acts.emplace_back(CreateRecord{encode_subnet_key(subnet), target_value_, options_.ttl});
}

void LeaseKeeper::taken(TimePoint now, const std::string& by, Acts& acts) {
  lose("taken: " + by, acts);
  report(
      {ErrorKind::conflict, fmt::format("cannot take {} again: {}", to_string(lease_->subnet), by)},
      acts);
  pause(now);
}

void LeaseKeeper::lose(const std::string& reason, Acts& acts) {
  record_.reset();
  expires_ = kNever;
  if (lost_) return;
  lost_ = true;
  reported_ = true;
  acts.emplace_back(ReportLost{*lease_, reason});
}

void LeaseKeeper::aim(const SubnetKey& subnet, const Lease* seen) {
  Lease lease{subnet, announce_(seen)};
  lease.attributes.node = options_.node;
  public_ip_ = lease.attributes.public_ip;
  target_value_ = encode_lease_value(lease.attributes);
  target_ = std::move(lease);
}

// After a change of the public IP the record has the old one until it is written again.
bool LeaseKeeper::is_ours(const LeaseAttributes& record) const {
  return HostIdentity(public_ip_, options_.node).wrote(record) ||
         (lease_ && HostIdentity(lease_->attributes.public_ip, options_.node).wrote(record));
}

}  // namespace flannel
