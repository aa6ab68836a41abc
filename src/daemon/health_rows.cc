// SPDX-License-Identifier: Apache-2.0
#include "daemon/health_rows.h"

#include <algorithm>

#include "base/problem_kinds.h"

namespace flannel {
namespace {

// Several changes come together.
constexpr Duration kGather = std::chrono::seconds(1);
// Rows of hosts that change at the same time are not written at the same time.
constexpr std::uint64_t kSpread = 5000;  // milliseconds
// A failure that the next attempt overcomes is no problem.
constexpr int kLasting = 2;

}  // namespace

HealthRows::HealthRows(Parts parts) : parts_(std::move(parts)) {
  serial_ = parts_.random(1ULL << 32);
}

void HealthRows::changed() {
  if (is_writing_) return;  // finish() looks again
  const TimePoint soon =
      parts_.loop.now() + kGather + std::chrono::milliseconds(parts_.random(kSpread));
  arm(tried_ ? std::max(soon, *tried_ + kRest) : soon);
}

// Keeps an earlier time.
void HealthRows::arm(TimePoint when) {
  due_.arm(std::min(when, due_.due()));
}

// The cluster may have moved to another store.
Result<void> HealthRows::open() {
  std::string place = parts_.place();
  if (registry_ && place == place_) return {};
  registry_.reset();
  held_.reset();
  is_writing_ = is_reading_ = false;
  registry_ = TRY(parts_.open());
  place_ = std::move(place);
  if (!readers_.empty()) list();
  return {};
}

void HealthRows::tick() {
  if (is_writing_) return;
  const TimePoint now = parts_.loop.now();
  if (const auto opened = open(); !opened) {
    tried_ = now;
    return fail_with(opened.error());
  }
  const auto own = parts_.own();
  if (held_ && (!own || encode_subnet_key(own->subnet) != held_->key)) return withdraw();
  if (!own) return;  // changed() is called when there is one
  const bool is_new = !held_ || !own->row.has_states_of(written_);
  const TimePoint next = tried_ ? *tried_ + (is_new ? Duration(kRest) : period_) : now;
  if (now < next) return arm(next);
  write(*own);
}

void HealthRows::write(const Own& given) {
  Own own = given;
  own.row.serial = ++serial_;
  std::string value = encode_health_row(own.row);
  is_writing_ = true;
  tried_ = parts_.loop.now();
  period_ = kEvery - std::chrono::milliseconds(parts_.random(kSpread));
  auto done = [this, own, value](Result<WriteResult> written) {
    finish(std::move(written), own, value);
  };
  if (held_) return registry_->replace_if_unchanged(*held_, value, kLife, std::move(done));
  registry_->create_if_absent(encode_subnet_key(own.subnet), value, kLife, std::move(done));
}

void HealthRows::finish(Result<WriteResult> written, const Own& own, const std::string& value) {
  if (!written && written.error().kind == ErrorKind::exists) return adopt(own);
  is_writing_ = false;
  if (!written) {
    if (written.error().kind == ErrorKind::conflict) held_.reset();
    return fail_with(written.error());
  }
  held_ = Record{.key = encode_subnet_key(own.subnet),
                 .value = value,
                 .revision = written->revision,
                 .expiry_handle = written->expiry_handle};
  written_ = own.row;
  failures_ = 0;
  const bool had_problem = !std::exchange(why_, {}).empty();
  arm(*tried_ + kRest);  // what has changed meanwhile is written then
  if (had_problem) parts_.on_state();
}

// An earlier run of this host, or anybody else, has written a row for our lease: it is replaced.
void HealthRows::adopt(const Own& own) {
  registry_->snapshot([this, own](const Result<Snapshot>& list) {
    is_writing_ = false;
    if (!list) return fail_with(list.error());
    const auto found =
        std::ranges::find(list->records, encode_subnet_key(own.subnet), &Record::key);
    if (found == list->records.end()) return arm(*tried_ + kRest);
    held_ = *found;
    write(own);
  });
}

void HealthRows::withdraw() {
  is_writing_ = true;
  registry_->release_if_unchanged(*std::exchange(held_, std::nullopt), [this](const Result<void>&) {
    is_writing_ = false;  // a row that is still there ends by itself
    changed();
  });
}

void HealthRows::fail_with(const Error& error) {
  ++failures_;
  arm(*tried_ + kRest);
  why_ = error.text;
  if (failures_ >= kLasting) parts_.on_state();
}

std::vector<Problem> HealthRows::problems() const {
  if (failures_ < kLasting) return {};
  return {make_problem(kHealthRowUnwritten, "", why_)};
}

void HealthRows::look() {
  drop_old();
  const TimePoint now = parts_.loop.now();
  if (!is_reading_ && (!read_at_ || now - *read_at_ >= kReadEvery)) read([] {});
}

void HealthRows::read(std::function<void()> done) {
  if (!is_reading_ && read_at_ && parts_.loop.now() - *read_at_ < kFresh) return done();
  readers_.push_back(std::move(done));
  if (const auto opened = open(); !opened) return on_list(Failure(opened.error()));
  if (!is_reading_) list();
}

void HealthRows::list() {
  is_reading_ = true;
  read_at_ = parts_.loop.now();
  registry_->snapshot([this](const Result<Snapshot>& all) { on_list(all); });
}

void HealthRows::on_list(const Result<Snapshot>& list) {
  is_reading_ = false;
  SeenRows next;
  if (list) {
    const TimePoint now = parts_.loop.now();
    std::map<std::string, FirstSeen> first;
    for (const Record& record : list->records) {
      const auto before = first_.find(record.key);
      const bool is_same = before != first_.end() && before->second.revision == record.revision;
      const FirstSeen seen{record.revision, is_same ? before->second.at : now};
      auto row = row_in(record, seen.at);
      if (!row) continue;
      first.emplace(record.key, seen);
      next.rows.push_back(*std::move(row));
    }
    first_ = std::move(first);
    std::ranges::sort(next.rows, {}, &SeenRow::subnet);
  } else {
    next = *seen_;
    next.why = list.error().text;
  }
  seen_ = std::make_shared<const SeenRows>(std::move(next));
  drop_old();
  for (const auto& done : std::exchange(readers_, {}))
    done();
}

// nullopt: the row does not count.
std::optional<SeenRow> HealthRows::row_in(const Record& record, TimePoint seen) const {
  if (!record.expires() || record.left_out > 0) return std::nullopt;
  const auto subnet = decode_subnet_key(record.key);
  const auto holder = subnet ? parts_.holder(*subnet) : std::nullopt;
  auto row = holder ? decode_health_row(record.value) : fail(ErrorKind::invalid, "no lease");
  if (!row || row->node != *holder) return std::nullopt;
  return SeenRow{*subnet, seen, *std::move(row)};
}

void HealthRows::drop_old() {
  const TimePoint now = parts_.loop.now();
  const auto is_old = [now](const SeenRow& row) { return now - row.seen >= kLife; };
  if (std::ranges::none_of(seen_->rows, is_old)) return;
  SeenRows rest = *seen_;
  std::erase_if(rest.rows, is_old);
  seen_ = std::make_shared<const SeenRows>(std::move(rest));
}

}  // namespace flannel
