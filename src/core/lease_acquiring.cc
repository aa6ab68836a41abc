// SPDX-License-Identifier: Apache-2.0
// LeaseKeeper: from a list of all records to one that is ours.
#include <fmt/format.h>

#include <algorithm>

#include "core/lease_keeper.h"
#include "core/record_limits.h"

namespace flannel {
namespace {

constexpr auto kContested = std::chrono::seconds(30);

}  // namespace

void LeaseKeeper::acquire(TimePoint now, const Snapshot& snapshot, Acts& acts) {
  if (leaving_) {
    const std::string key = target_ ? encode_subnet_key(target_->subnet) : std::string();
    for (const Record& record : snapshot.records) {
      if (record.key != key) continue;
      const auto attributes = decode_lease(record);
      if (attributes && is_ours(target_->subnet, *attributes)) record_ = record;
    }
    if (!record_) target_.reset();
    leave(acts);
  } else if (lease_) {
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
    pause(now);
  } else if (const auto* reuse = std::get_if<Reuse>(&*choice)) {
    adopt(now, reuse->own.record, &reuse->own.lease, acts);
  } else if (const auto* other = std::get_if<TakeOver>(&*choice)) {
    taken_over_.emplace(*other->theirs.lease.attributes.node, now);
    acts.emplace_back(ReportTakeOver{other->theirs.lease});
    adopt(now, other->theirs.record, &other->theirs.lease, acts);
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
void LeaseKeeper::reclaim(TimePoint now, const Snapshot& snapshot, Acts& acts) {
  const SubnetKey subnet = lease_->subnet;
  const std::string key = encode_subnet_key(subnet);
  const Record* own = nullptr;
  std::string by;  // who is in the way
  for (const Record& record : snapshot.records) {
    const auto other = decode_subnet_key(record.key);
    if (!other || !other->v4.overlaps(subnet.v4) || !config_.network.contains(other->v4)) continue;
    const auto attributes = decode_lease(record);
    const bool ours = attributes ? is_ours(*other, *attributes) : record.key == key;
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
    adopt(now, *own, &*lease_, acts);
  } else if (!by.empty() && options_.renumber) {
    report_lost("taken: " + by, acts);
    choose(now, decode_records(snapshot.records), acts);
  } else if (!by.empty()) {
    taken(now, by, acts);
  } else {
    report_lost("its record is gone from the store", acts);
    create(subnet, &*lease_, acts);
  }
}

// The record is ours: make it say what we announce, and live.
void LeaseKeeper::adopt(TimePoint now, const Record& record, const Lease* seen, Acts& acts) {
  const SubnetKey subnet = seen->subnet;
  enter(LeaseEvent::chosen);
  set_target(subnet, seen);
  record_ = record;
  if (target_value_ != record.value) {
    call_ = Call::replace;
    acts.emplace_back(ReplaceRecord{record, target_value_, ttl_for(record)});
  } else if (record.hold != 0) {
    call_ = Call::renew;
    acts.emplace_back(RenewRecord{record, ttl_for(record)});
  } else {
    expires_ = kNever;
    on_confirmed(now, acts);
  }
}

void LeaseKeeper::create(const SubnetKey& subnet, const Lease* seen, Acts& acts) {
  enter(LeaseEvent::chosen);
  set_target(subnet, seen);
  call_ = Call::create;
  acts.emplace_back(CreateRecord{encode_subnet_key(subnet), target_value_, options_.ttl});
}

void LeaseKeeper::taken(TimePoint now, const std::string& by, Acts& acts) {
  report_lost("taken: " + by, acts);
  report(
      {ErrorKind::conflict, fmt::format("cannot take {} again: {}", to_string(lease_->subnet), by)},
      acts);
  pause(now);
}

void LeaseKeeper::report_lost(const std::string& reason, Acts& acts) {
  record_.reset();
  expires_ = kNever;
  if (lost_) return;
  lost_ = true;
  reported_ = true;
  acts.emplace_back(ReportLost{*lease_, reason});
}

void LeaseKeeper::set_target(const SubnetKey& subnet, const Lease* seen) {
  Lease lease{subnet, announce_(seen)};
  lease.attributes.node = options_.node;
  public_ip_ = lease.attributes.public_ip;
  target_value_ = encode_lease_value(lease.attributes);
  target_ = std::move(lease);
}

// After a change of the public IP the record has the old one until it is written again. What we
// hold is ours also where another node wrote into it under our public IP.
bool LeaseKeeper::is_ours(const SubnetKey& subnet, const LeaseAttributes& record) const {
  const std::optional<Cidr4> held = lease_ ? std::optional(lease_->subnet.v4) : std::nullopt;
  const auto owns = [&](Ip4 ip) {
    return HostIdentity(ip, options_.node, held).owns({subnet, record});
  };
  return owns(public_ip_) || (lease_ && owns(lease_->attributes.public_ip));
}

// The host that we took this record from lives.
bool LeaseKeeper::is_contested(TimePoint now, const LeaseAttributes& record) const {
  return taken_over_ && record.node && *record.node == taken_over_->first &&
         now - taken_over_->second < kContested;
}

void LeaseKeeper::give_way(Acts& acts) {
  report_lost(fmt::format("node {} lives and has written it back: two hosts have the address {}",
                          to_string(taken_over_->first), to_string(public_ip_)),
              acts);
  if (previous_ == lease_->subnet.v4) previous_.reset();
  lease_.reset();
  target_.reset();
  taken_over_.reset();
  options_.address_is_ours = false;
}

}  // namespace flannel
