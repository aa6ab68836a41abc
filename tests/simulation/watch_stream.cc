// SPDX-License-Identifier: Apache-2.0
#include "simulation/watch_stream.h"

namespace flannel::simulation {

void WatchStream::arrive() {
  if (over || wire.link.cut || is_cut_off()) return;
  ++wire.service.calls;
  if (!wire.service.serving) return break_off();
  number = wire.service.store.watch(
      history, from, [weak = weak_from_this()](Store::Batch batch, Revision revision) {
        if (const auto stream = weak.lock()) stream->send(std::move(batch), revision);
      });
  wire.send([stream = shared_from_this()] {
    if (stream->wire.link.cut || stream->is_cut_off()) return;
    stream->wire.deliver([stream] {
      stream->unanswered.reset();
      if (!stream->number) {
        stream->end([](const WatchListener& to) { to.on_position_lost(); });
      }
    });
  });
}

void WatchStream::send(Store::Batch batch, Revision revision) {
  under_way.emplace_back(std::move(batch), revision);
  if (!std::exchange(pumping, true)) {
    wire.send([stream = shared_from_this()] { stream->pump(); }, wire.link.watch_lag);
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
  wire.deliver([stream = shared_from_this(), batch = under_way.front().first,
                revision = under_way.front().second] {
    if (stream->over) return;
    const auto on_changes = stream->listener.on_changes;
    on_changes(*batch, revision);
  });
  under_way.pop_front();
  wire.service.timeline.after(Duration::zero(), [stream = shared_from_this()] { stream->pump(); });
}

void WatchStream::disconnect(const char* why) {
  end([why](const WatchListener& to) {
    to.on_disconnected({ErrorKind::unavailable, std::string("watch: ") + why});
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
