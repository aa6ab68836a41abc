// SPDX-License-Identifier: Apache-2.0
// The part of LeaseKeeper that makes a record ours, starting from a snapshot of all records.
#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "core/lease_keeper.h"
#include "core/listed_lease.h"
#include "core/move_notes.h"
#include "core/record_limits.h"

namespace flannel {
namespace {

// For so long after a take-over, the node that had written the record may take it back.
constexpr auto kContested = std::chrono::seconds(30);

bool is_lease_of_a_host(const Result<LeaseAttributes>& attributes) {
  return attributes && std::ranges::any_of(values_of(attributes->public_ips()), can_be_a_host);
}

}  // namespace

void LeaseKeeper::acquire(TimePoint now, const Snapshot& snapshot, Acts& acts) {
  if (lease_ && !options_.only && !has_configured_families()) {
    exchange(now, snapshot, acts);
  } else if (lease_ || options_.only) {
    reclaim(now, snapshot, acts);
  } else {
    choose(now, decode_records(snapshot.records), acts);
  }
}

void LeaseKeeper::choose(TimePoint now, const DecodedRecords& records, Acts& acts) {
  const Chooser us{HostIdentity(public_ips_, options_.node, previous_), options_.address_is_ours};
  auto choice = choose_subnet(config_, records, us, random_, options_.keep_clear_of);
  if (choice) return carry_out(now, *choice, acts);
  report(std::move(choice).error(), acts);
  enter(keeper::Paused{retry_at(now)});
}

// Exchanges the record of our lease for one with the families of a new configuration. If that fails
// our lease stays as it is: its data plane is in use.
void LeaseKeeper::exchange(TimePoint now, const Snapshot& snapshot, Acts& acts) {
  auto choice = choose_exchange(decode_records(snapshot.records));
  if (choice) {
    end_exchange();
    return carry_out(now, *choice, acts);
  }
  exchange_at_ = now + exchange_pause_.next(random_);
  exchange_error_ = std::move(choice).error().during("change the families of the lease");
  acts.emplace_back(ReportError{*exchange_error_});
  reclaim(now, snapshot, acts);
}

// The next confirmation ends what was reported of it.
void LeaseKeeper::end_exchange() {
  if (exchange_error_ && alarm_ == Alarm::none) alarm_ = Alarm::failure;
  exchange_at_ = kNever;
  exchange_error_.reset();
  exchange_pause_.reset();
}

// The pause is not shorter than the first one, since anybody who writes to the store can make
// records go.
void LeaseKeeper::try_exchange_sooner(TimePoint now) {
  if (!exchange_error_) return;
  exchange_pause_.reset();
  exchange_at_ = std::min(exchange_at_, now + exchange_pause_.next(random_));
}

Result<SubnetChoice> LeaseKeeper::choose_exchange(const DecodedRecords& records) const {
  const auto keeps = [this](const SubnetKey& other) {
    return std::ranges::all_of(kFamilies, [&](Family family) {
      const auto& subnet = lease_->subnet.at(family);
      return !subnet || !config_.at(family) || other.at(family) == subnet;
    });
  };
  const bool inside = std::ranges::all_of(kFamilies, [this](Family family) {
    const auto& subnet = lease_->subnet.at(family);
    return !subnet || !config_.at(family) || config_.at(family)->network.contains(*subnet);
  });
  if (!inside) {
    return fail(ErrorKind::conflict,
                fmt::format("our subnet {} is outside of the network", to_string(lease_->subnet)));
  }
  const Chooser us{HostIdentity(public_ips_, options_.node, lease_->subnet), false};
  SubnetChoice choice = TRY(choose_subnet(config_, records, us, random_, options_.keep_clear_of));
  const auto* reuse = std::get_if<Reuse>(&choice);
  const auto* create = std::get_if<Create>(&choice);
  const auto* discard = std::get_if<Discard>(&choice);
  const bool keeps_any = std::ranges::any_of(
      kFamilies, [this](Family family) { return lease_->subnet.at(family) && config_.at(family); });
  const bool loses_record = keeps_any && discard != nullptr &&
                            discard->own.lease.subnet == lease_->subnet &&
                            std::ranges::none_of(records.leases, [&](const DecodedRecord& other) {
                              return other.record.key != discard->own.record.key &&
                                     us.host.owns(other.lease) && keeps(other.lease.subnet);
                            });
  const bool other_subnet =
      (reuse && !keeps(reuse->own.lease.subnet)) || (create && !keeps(create->subnet));
  if (!loses_record && !other_subnet) return choice;
  return fail(ErrorKind::conflict, fmt::format("an older lease of another host has our subnet {}",
                                               to_string(lease_->subnet)));
}

void LeaseKeeper::carry_out(TimePoint now, const SubnetChoice& choice, Acts& acts) {
  if (const auto* reuse = std::get_if<Reuse>(&choice)) {
    adopt(now, reuse->own.record, reuse->own.lease.subnet, &reuse->own.lease, acts);
  } else if (const auto* other = std::get_if<TakeOver>(&choice)) {
    taken_over_.emplace(*other->theirs.lease.attributes.node, now);
    acts.emplace_back(ReportTakeOver{other->theirs.lease});
    adopt(now, other->theirs.record, other->theirs.lease.subnet, &other->theirs.lease, acts);
  } else if (const auto* discard = std::get_if<Discard>(&choice)) {
    discard_record(discard->own.record, acts);
  } else {
    const auto& [subnet, former] = std::get<Create>(choice);
    const bool reserved = former && !former->record.expires();
    create({.subnet = subnet,
            .seen = former ? &former->lease : nullptr,
            .ttl = reserved ? Ttl() : Ttl(options_.ttl),
            .has_former = former.has_value()},
           acts);
  }
}

LeaseKeeper::Holders LeaseKeeper::holders_of(const SubnetKey& subnet,
                                             const Snapshot& snapshot) const {
  const std::string key = encode_subnet_key(subnet);
  Holders holders;
  // The age of the oldest record of another host so far.
  LeaseAge oldest{.created = std::numeric_limits<Revision>::max()};
  for (const Record& record : snapshot.records) {
    const auto other = decode_subnet_key(record.key);
    const bool has_key = record.key == key;
    if (!other || (!has_key && !overlaps_in_network(*other, subnet))) continue;
    const auto attributes = decode_lease(record);
    const bool wrote = attributes && is_ours(*other, *attributes);
    const bool ours = attributes ? wrote || is_free_copy(record) : has_key;
    if (has_key) holders.at_key = &record;
    if (ours && has_key) holders.own = &record;
    if (!has_key && wrote && other->shares_subnet_with(subnet)) holders.former = &record;
    if (ours) continue;
    const LeaseAge age{record.created, *other};
    const bool is_oldest = is_lease_of_a_host(attributes) && age < oldest;
    if (is_oldest) oldest = age;
    if (!is_oldest && !holders.by.empty()) continue;
    holders.by = fmt::format(
        "{} has {}", attributes ? to_string(attributes->public_ips()) : "a record that is no lease",
        record.key);
  }
  const Record* own = holders.own;
  holders.is_outranked = own != nullptr && oldest < LeaseAge{own->created, subnet};
  return holders;
}

// Makes the record of the lease that we have, or had, ours again, if no other host has its subnet.
void LeaseKeeper::reclaim(TimePoint now, const Snapshot& snapshot, Acts& acts) {
  const SubnetKey subnet = lease_ ? lease_->subnet : *options_.only;
  auto [at_key, own, former, by, is_outranked] = holders_of(subnet, snapshot);
  if (is_outranked) own = nullptr;
  if (at_key != nullptr && is_contested(now, *at_key)) {
    give_way(acts);
    choose(now, decode_records(snapshot.records), acts);
  } else if (own != nullptr && former != nullptr && (former->expires() || !own->expires())) {
    discard_record(*former, acts);
  } else if (own != nullptr) {
    adopt(now, *own, subnet, lease_ ? &*lease_ : nullptr, acts);
  } else if (!by.empty() && (options_.renumber || yields_)) {
    report_lost("taken: " + by, acts);
    choose(now, decode_records(snapshot.records), acts);
  } else if (!by.empty()) {
    on_taken(now, by, acts);
  } else {
    if (alarm_ != Alarm::withdrawn) report_lost("its record is gone from the store", acts);
    const bool reserved = former != nullptr && !former->expires();
    create({.subnet = subnet,
            .seen = lease_ ? &*lease_ : nullptr,
            .ttl = reserved ? Ttl() : Ttl(options_.ttl),
            .has_former = former != nullptr},
           acts);
  }
}

bool LeaseKeeper::overlaps_in_network(const SubnetKey& other, const SubnetKey& ours) const {
  return std::ranges::any_of(kFamilies, [&](Family family) {
    const auto& theirs = other.at(family);
    const auto& range = config_.at(family);
    return range && theirs && range->network.contains(*theirs) && ours.at(family) &&
           theirs->overlaps(*ours.at(family));
  });
}

// Takes a record of ours from the list for our lease. `seen`: the lease that it has now.
void LeaseKeeper::adopt(TimePoint now, const Record& record, const SubnetKey& subnet,
                        const Lease* seen, Acts& acts) {
  set_target(subnet, seen);
  if (!record.expires() && target_->value == record.value) expires_ = kNever;
  update(now, record, acts);
}

// A record with two subnets does not exclude that another host creates one with one of them at the
// same time, so a list must show that ours is the older one.
void LeaseKeeper::create(const NewRecord& record, Acts& acts) {
  const SubnetKey& subnet = record.subnet;
  set_target(subnet, record.seen);
  due_.rewrite = false;
  enter(keeper::Creating{.is_final = !record.has_former && !(subnet.v4 && subnet.v6)});
  acts.emplace_back(CreateRecord{encode_subnet_key(subnet), target_->value, record.ttl});
}

void LeaseKeeper::discard_record(const Record& record, Acts& acts) {
  enter(keeper::Discarding{});
  acts.emplace_back(ReleaseRecord{record});
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
  public_ips_ = lease.attributes.public_ips();
  std::string value = encode_lease_value(lease.attributes);
  target_.emplace(Target{std::move(lease), std::move(value)});
}

// After a change of the public IP our record has the old one until it is written again. The record
// at the subnet of our lease stays ours if another node writes there under our public IP.
bool LeaseKeeper::is_ours(const SubnetKey& subnet, const LeaseAttributes& record) const {
  const std::optional<SubnetKey> wanted = options_.only ? options_.only : previous_;
  const std::optional<SubnetKey> held = lease_ ? lease_->subnet : wanted;
  const auto owns = [&](const PublicIps& ips) {
    return HostIdentity(ips, options_.node, held).owns({subnet, record});
  };
  return owns(public_ips_) || (lease_ && owns(lease_->attributes.public_ips()));
}

// A copy of another host's lease that its host has not taken, where the other store knows better.
bool LeaseKeeper::is_free_copy(const Record& record) const {
  return options_.only && has_copy_mark(record.value);
}

// True if the node whose record we took over has written it again.
bool LeaseKeeper::is_contested(TimePoint now, const Record& there) const {
  const auto record = decode_lease(there);
  return record && taken_over_ && record->node && *record->node == taken_over_->first &&
         now - taken_over_->second < kContested;
}

void LeaseKeeper::give_way(Acts& acts) {
  report_lost(
      fmt::format("node {} is alive and has written it again: two hosts have the address {}",
                  to_string(taken_over_->first), to_string(public_ips_)),
      acts);
  if (previous_ && previous_->shares_subnet_with(lease_->subnet)) previous_.reset();
  lease_.reset();
  target_.reset();
  taken_over_.reset();
  options_.address_is_ours = false;
}

}  // namespace flannel
