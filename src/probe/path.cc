// SPDX-License-Identifier: Apache-2.0
#include "probe/path.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "probe/packet.h"

namespace flannel {
namespace {

constexpr std::size_t kMostGiven = 16;
constexpr std::size_t kMostUnderlayNonces = 8;
constexpr int kHistory = 32;
// A late answer still says that the peer was heard.
constexpr auto kForget = std::chrono::seconds(5);
constexpr int kUnderlayAsked = 3;

std::uint16_t full_size(const ProbeTarget& target) {
  const std::uint32_t least = least_probe_size(target.subnet.family());
  return static_cast<std::uint16_t>(std::clamp<std::uint32_t>(target.mtu, least, 0xFFFF));
}

std::chrono::microseconds micro(Duration duration) {
  return std::chrono::duration_cast<std::chrono::microseconds>(duration);
}

}  // namespace

ProbePath::ProbePath(ProbeTarget target, TimePoint now)
    : target_(std::move(target)),
      since_(now),
      due_(now),
      mtu_(least_probe_size(target_.subnet.family()), full_size(target_), !target_.answers),
      mtu_by_echo_(!target_.answers),
      outage_(now) {}

TimePoint ProbePath::wakeup() const {
  TimePoint next = due_;
  if (is_up() && misses_ == 0) next = std::min(next, mtu_.due());
  if (checks_checksums()) next = std::min(next, checksum_.due());
  for (const Asked& asked : asked_) {
    if (!asked.is_over) next = std::min(next, asked.at + timeout(asked));
  }
  return next;
}

Duration ProbePath::timeout(const Asked& asked) const {
  const bool is_extra = asked.purpose == Purpose::mtu || asked.purpose == Purpose::checksum;
  if (!is_extra || !rtt_) return kTimeout;
  return std::clamp<Duration>(*rtt_ * 4, kLeastTimeout, kTimeout);
}

void ProbePath::expire(TimePoint now) {
  for (Asked& asked : asked_) {
    if (!asked.is_over && asked.at + timeout(asked) <= now) close(now, asked);
  }
  std::erase_if(asked_, [now](const Asked& asked) { return asked.at + kForget <= now; });
}

// The fate of a probe is known: its time is over.
void ProbePath::close(TimePoint now, Asked& asked) {
  asked.is_over = true;
  if (asked.purpose == Purpose::operator_) return;
  if (asked.purpose == Purpose::mtu) {
    if (!asked.is_answered) mtu_.on_fate(now, false);
    return;
  }
  if (asked.purpose == Purpose::checksum) {
    if (!asked.is_answered) close_checksum(now, asked, ProbeMessage::Checksum::not_seen);
    return;
  }
  if (!asked.by_message && target_.answers) {
    ++own_misses_;
    renew_mtu_search(now);
  }
  if (!asked.is_answered) on_miss(asked);
}

void ProbePath::on_miss(const Asked& asked) {
  count(true);
  hits_ = 0;
  if (misses_ == 0) {
    outage_ = asked.at;
    due_ = asked.at + kTimeout;  // the first retry goes at once
    underlay_asked_ = 0;
  }
  if (++misses_ >= kMisses) is_down_ = is_seen_;
}

void ProbePath::on_hit(TimePoint now, Duration rtt) {
  count(false);
  ++hits_;
  misses_ = 0;
  last_heard_ = last_reached_ = now;
  rtt_ = rtt_ ? *rtt_ + (rtt - *rtt_) / 8 : rtt;
  least_rtt_ = least_rtt_ ? std::min(*least_rtt_, rtt) : rtt;
  if (!is_seen_ || (is_down_ && hits_ >= kHits)) {
    is_seen_ = true;
    is_down_ = false;
    mtu_.start_over(now);
    checksum_.start_over(now);
  } else if (is_down_) {
    due_ = now + kRetry;
  }
}

void ProbePath::count(bool lost) {
  history_ = history_ << 1 | (lost ? 1U : 0U);
  counted_ = std::min(counted_ + 1, kHistory);
}

// An earlier release does not say how the checksum was: that a datagram arrives is all that is
// known.
void ProbePath::close_checksum(TimePoint now, Asked& asked, ProbeMessage::Checksum seen) {
  asked.is_over = true;
  if (!asked.is_answered && !is_answered_by_message(twin_)) return checksum_.again(now);
  using Fate = ChecksumCheck::Fate;
  const bool is_damaged = seen == ProbeMessage::Checksum::wrong;
  checksum_.on_fate(now, !asked.is_answered ? Fate::lost
                         : is_damaged       ? Fate::damaged
                                            : Fate::passed);
}

bool ProbePath::is_answered_by_message(std::uint64_t nonce) const {
  const auto asked = std::ranges::find(asked_, nonce, &Asked::nonce);
  return asked != asked_.end() && asked->by_message;
}

// An echo is as long both ways, so that the search is another one.
void ProbePath::renew_mtu_search(TimePoint now) {
  if (std::exchange(mtu_by_echo_, by_echo()) == by_echo()) return;
  mtu_ = MtuSearch(least_probe_size(target_.subnet.family()), full_size(target_), by_echo());
  mtu_.start_over(now);
}

Duration ProbePath::pause(Duration interval) const {
  if (misses_ > 0 && misses_ < kMisses) return kRetry;
  if (is_up()) return interval;
  if (misses_ == 0) return std::chrono::seconds(1);
  return std::clamp<Duration>(interval, kLeastDown, kMostDown);
}

std::vector<ProbePath::Probe> ProbePath::send(TimePoint now, Duration interval,
                                              const Nonces& nonces) {
  std::vector<Probe> probes;
  const std::uint16_t least = least_probe_size(target_.subnet.family());
  const bool checks = checks_checksums() && checksum_.due() <= now;
  if (checks || due_ <= now) {
    Probe probe = begin(now, Purpose::watch, {least, least}, nonces);
    probe.underlay = misses_ > 0;
    if (probe.underlay) {
      if (underlay_asked_++ == 0) underlay_first_ = now;
      underlay_nonces_.push_back(probe.nonce);
      if (underlay_nonces_.size() > kMostUnderlayNonces) {
        underlay_nonces_.erase(underlay_nonces_.begin());
      }
    }
    probes.push_back(probe);
    const Duration rest = pause(interval);
    due_ = now + rest + rest * static_cast<int>(probe.nonce % 16) / 128;  // hosts do not keep step
  }
  if (is_up() && misses_ == 0 && mtu_.due() <= now) {
    probes.push_back(begin(now, Purpose::mtu, mtu_.begin(), nonces));
  }
  if (checks) {
    twin_ = probes.front().nonce;
    checksum_.begin();
    probes.push_back(begin(now, Purpose::checksum, {least, least}, nonces));
  }
  return probes;
}

ProbePath::Probe ProbePath::ask(TimePoint now, const ProbeSizes& sizes, const Nonces& nonces) {
  return begin(now, Purpose::operator_, sizes, nonces);
}

ProbePath::Probe ProbePath::begin(TimePoint now, Purpose purpose, const ProbeSizes& sizes,
                                  const Nonces& nonces) {
  const Probe probe{
      .nonce = nonces(),
      .purpose = purpose,
      .sizes = sizes,
      .request = target_.answers,
      .echo = purpose == Purpose::mtu ? by_echo() : wants_echo() && purpose != Purpose::checksum};
  asked_.push_back({.nonce = probe.nonce, .at = now, .purpose = purpose});
  if (probe.request) give(now, probe.nonce);
  return probe;
}

ProbeMessage ProbePath::request(TimePoint now, const Probe& probe) const {
  ProbeMessage message{.kind = ProbeMessage::Kind::request,
                       .size = probe.sizes.back,
                       .nonce = probe.nonce,
                       .echo = theirs_};
  if (theirs_ != 0) {
    const auto age = std::chrono::duration_cast<std::chrono::milliseconds>(now - theirs_at_);
    message.echo_age_ms =
        static_cast<std::uint32_t>(std::min<std::int64_t>(age.count(), ProbeMessage::kNoAge - 1));
  }
  return message;
}

std::optional<ProbePath::Answered> ProbePath::on_answer(TimePoint now, const ProbeMessage& answer,
                                                        std::uint16_t size) {
  const auto taken = answered(now, answer.echo, true, {answer.size, size});
  if (!taken) return std::nullopt;
  if (taken->purpose == Purpose::checksum) {
    Asked& asked = *std::ranges::find(asked_, answer.echo, &Asked::nonce);
    if (!asked.is_over) close_checksum(now, asked, answer.checksum);
  }
  theirs_ = answer.nonce;
  theirs_at_ = now;
  if (std::exchange(own_misses_, 0) > 0) renew_mtu_search(now);
  return taken;
}

std::optional<ProbePath::Answered> ProbePath::on_echo(TimePoint now, std::uint64_t nonce,
                                                      std::uint16_t size) {
  return answered(now, nonce, false, {size, size});
}

std::optional<ProbePath::Answered> ProbePath::answered(TimePoint now, std::uint64_t nonce,
                                                       bool by_message, const ProbeSizes& arrived) {
  const auto asked = std::ranges::find(asked_, nonce, &Asked::nonce);
  if (asked == asked_.end()) return std::nullopt;
  if (by_message && asked->by_message) return std::nullopt;
  asked->by_message = asked->by_message || by_message;
  const bool is_first = !std::exchange(asked->is_answered, true);
  if (!is_first)
    return by_message ? std::optional(Answered{nonce, asked->purpose, {}, arrived}) : std::nullopt;
  const Answered result{nonce, asked->purpose, now - asked->at, arrived};
  if (asked->is_over) {
    last_heard_ = now;  // too late for anything else
    return result;
  }
  if (asked->purpose == Purpose::mtu) {
    asked->is_over = true;
    mtu_.on_fate(now, true);
  } else if (asked->purpose == Purpose::watch) {
    on_hit(now, result.rtt);
  }
  return result;
}

void ProbePath::on_underlay(TimePoint now, std::uint64_t nonce) {
  if (std::erase(underlay_nonces_, nonce) > 0) underlay_heard_ = now;
}

ProbeMessage ProbePath::on_request(TimePoint now, const ProbeMessage& request, std::uint16_t size,
                                   const Nonces& nonces) {
  note_hint(now);
  if (was_given(now, request.echo)) {
    last_heard_ = now;
    const auto age = std::chrono::milliseconds(request.echo_age_ms);
    if (request.echo_age_ms != ProbeMessage::kNoAge && age <= kNonceLasts) {
      last_reached_ = std::max(last_reached_, now - age);
    }
    theirs_ = request.nonce;
    theirs_at_ = now;
  } else if (theirs_ == 0 || theirs_at_ + kTimeout < now) {
    theirs_ = request.nonce;  // so that the peer finds out that we hear it
    theirs_at_ = now;
  }
  ProbeMessage answer{.kind = ProbeMessage::Kind::answer,
                      .size = size,
                      .nonce = nonces(),
                      .echo = request.nonce,
                      .echo_age_ms = 0};
  give(now, answer.nonce);
  return answer;
}

// A peer that is back may be heard before our own probes reach it: these come soon.
void ProbePath::note_hint(TimePoint now) {
  const bool is_first = last_hint_ <= outage_ + kTimeout || last_hint_ + kHintLasts <= now;
  if (is_first) hinted_since_ = now;
  last_hint_ = now;
  if (is_down_) due_ = std::min(due_, now + kTimeout);
}

void ProbePath::give(TimePoint now, std::uint64_t nonce) {
  std::erase_if(given_, [now](const Given& old) { return old.at + kNonceLasts <= now; });
  if (given_.size() == kMostGiven) given_.erase(given_.begin());
  given_.push_back({nonce, now});
}

bool ProbePath::was_given(TimePoint now, std::uint64_t nonce) const {
  const auto given = std::ranges::find(given_, nonce, &Given::nonce);
  return given != given_.end() && given->at + kNonceLasts > now;
}

PathState ProbePath::state(TimePoint now) const {
  if (is_up() && checksum_.in_trouble()) return PathState::checksum;
  if (is_up()) return mtu_.in_trouble() ? PathState::mtu : PathState::ok;
  const bool is_hinted = last_hint_ > outage_ + kTimeout && last_hint_ + kHintLasts > now &&
                         hinted_since_ + kHinted <= now;
  if (misses_ >= kMisses && is_hinted) return PathState::one_way;
  return is_seen_ ? PathState::unreachable : PathState::never_seen;
}

std::optional<bool> ProbePath::underlay_answers(TimePoint now) const {
  if (misses_ == 0) return std::nullopt;
  if (underlay_heard_ > outage_ && underlay_heard_ + kHintLasts > now) return true;
  if (underlay_asked_ < kUnderlayAsked || underlay_first_ + kTimeout > now) return std::nullopt;
  return false;
}

PathView ProbePath::view(TimePoint now) const {
  PathView view{.state = state(now),
                .mtu_to = mtu_.to(),
                .mtu_back = mtu_.back(),
                .arrives_damaged = checksum_.arrives_damaged(),
                .by_echo = is_up() && by_echo(),
                .underlay_answers = underlay_answers(now)};
  view.is_silent = is_down_ || (target_.answers && misses_ >= kMisses && since_ + kSettle <= now);
  if (last_heard_ != kNotYet) view.last_heard = last_heard_;
  if (last_reached_ != kNotYet) view.last_reached = last_reached_;
  if (rtt_) view.rtt = micro(*rtt_);
  if (least_rtt_) view.least_rtt = micro(*least_rtt_);
  if (counted_ > 0) {
    const std::uint32_t mask = counted_ == kHistory ? ~0U : (1U << counted_) - 1;
    view.loss = static_cast<double>(std::popcount(history_ & mask)) / counted_;
  }
  return view;
}

}  // namespace flannel
