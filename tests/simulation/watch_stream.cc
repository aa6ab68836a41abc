// SPDX-License-Identifier: Apache-2.0
#include "simulation/watch_stream.h"

#include <algorithm>
#include <map>
#include <string>
#include <variant>
#include <vector>

namespace flannel::simulation {
namespace {

// The key of what a change is about; empty for the configuration.
std::string key_of(const Change& change) {
  if (const auto* put = std::get_if<RecordPut>(&change)) return put->record.key;
  const auto* gone = std::get_if<RecordGone>(&change);
  return gone != nullptr ? gone->key : std::string();
}

bool is_gone(const Change& change) {
  return std::holds_alternative<RecordGone>(change) || std::holds_alternative<ConfigGone>(change);
}

void set_revision(Change& change, Revision revision) {
  if (auto* gone = std::get_if<RecordGone>(&change)) gone->revision = revision;
  if (auto* gone = std::get_if<ConfigGone>(&change)) gone->revision = revision;
}

}  // namespace

void WatchStream::arrive() {
  if (over || wire.link.cut || is_cut_off()) return;
  ++wire.service.calls;
  if (!wire.service.serving) return break_off();
  number = wire.service.store.watch(
      name, from, [weak = weak_from_this()](Store::Batch batch, Revision revision) {
        if (const auto stream = weak.lock()) stream->send(std::move(batch), revision);
      });
  wire.send([stream = shared_from_this()] {
    if (stream->wire.link.cut || stream->is_cut_off()) return;
    stream->wire.deliver([stream] {
      stream->unanswered.reset();
      if (!stream->number) stream->lose_position();
    });
  });
}

void WatchStream::send(Store::Batch batch, Revision revision) {
  under_way.emplace_back(std::move(batch), revision);
  if (!std::exchange(pumping, true)) {
    const Duration pause = wire.service.keeps_history ? Duration::zero() : Service::kBetweenLists;
    wire.send([stream = shared_from_this()] { stream->pump(); }, wire.link.watch_lag + pause);
  }
}

// All that has come by now, each revision by itself. What the link holds up comes when it is back.
void WatchStream::pump() {
  if (over || is_cut_off() || under_way.empty()) {
    pumping = false;
    return;
  }
  if (wire.link.cut) {
    wire.send([stream = shared_from_this()] { stream->pump(); }, std::chrono::milliseconds(300));
    return;
  }
  if (!wire.service.keeps_history) merge();
  auto [batch, revision] = std::move(under_way.front());
  under_way.pop_front();  // the listener may close the stream
  wire.deliver([stream = shared_from_this(), batch = std::move(batch), revision = revision] {
    if (stream->over) return;
    const auto on_changes = stream->listener.on_changes;
    on_changes(*batch, revision);
  });
  wire.service.timeline.after(Duration::zero(), [stream = shared_from_this()] { stream->pump(); });
}

// Makes one call of all changes that are under way.
void WatchStream::merge() {
  std::map<std::string, std::pair<std::size_t, Change>> last;  // with its place in the history
  std::size_t place = 0;
  for (const auto& [batch, revision] : under_way) {
    for (const Change& change : *batch)
      last.insert_or_assign(key_of(change), std::pair(place++, change));
  }
  const Revision now = under_way.back().second;
  std::vector<std::pair<std::size_t, Change>> changes;
  for (auto& [key, change] : last) {
    if (is_gone(change.second)) change.first += place;
    set_revision(change.second, now);
    changes.push_back(std::move(change));
  }
  std::ranges::sort(changes, {}, &std::pair<std::size_t, Change>::first);
  auto merged = std::make_shared<std::vector<Change>>();
  for (auto& [at, change] : changes)
    merged->push_back(std::move(change));
  under_way.clear();
  under_way.emplace_back(std::move(merged), now);
}

void WatchStream::disconnect(const char* why) {
  end([why](const WatchListener& to) {
    to.on_disconnected({ErrorKind::unavailable, std::string("watch: ") + why});
  });
}

void WatchStream::lose_position() {
  end([](const WatchListener& to) { to.on_position_lost(); });
}

void WatchStream::forget() {
  wire.send([stream = shared_from_this()] {
    if (stream->wire.link.cut) return;
    stream->wire.deliver([stream] { stream->lose_position(); });
  });
}

// The listener may close the stream during the call.
void WatchStream::end(const Farewell& farewell) {
  if (over) return;
  const auto self = shared_from_this();
  const WatchListener last = listener;
  drop();
  farewell(last);
}

void WatchStream::drop() {
  if (std::exchange(over, true)) return;
  unanswered.reset();
  if (number) wire.service.store.end_watch(*number);
  under_way.clear();
}

void WatchStream::notice_silence(Duration after) {
  cut_at = wire.service.timeline.now();
  wire.service.timeline.after(after, [stream = shared_from_this(), since = cut_at] {
    if (stream->over || !stream->wire.link.cut || stream->cut_at != since) return;
    stream->wire.deliver([stream] { stream->disconnect("silence"); });
  });
}

// The other side's word of it travels too, and not over a link that is cut.
void WatchStream::break_off() {
  wire.send([stream = shared_from_this()] {
    if (stream->over) return;
    if (stream->wire.link.cut) return stream->break_off();
    stream->wire.deliver([stream] { stream->disconnect("connection reset"); });
  });
}

}  // namespace flannel::simulation
