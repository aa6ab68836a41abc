// SPDX-License-Identifier: Apache-2.0
#include "simulation/network.h"

#include <utility>

#include "simulation/watch_stream.h"

namespace flannel::simulation {
namespace {

using std::chrono::seconds;

constexpr auto kDeadline = seconds(5);
constexpr auto kSilence = seconds(9);   // after which keep-alive pings give a stream up
constexpr std::size_t kToldInALie = 3;  // records

// One call under way.
template <typename T>
struct Call {
  std::function<Result<T>(Store&)> deed;
  Reply<T> reply;  // null once answered
  SubscriptionPtr deadline;
  std::uint64_t connection = 0;
};

template <typename T>
void answer(Call<T>& call, Result<T> result) {
  if (!call.reply) return;
  const auto reply = std::exchange(call.reply, nullptr);
  call.deadline.reset();
  reply(std::move(result));
}

template <typename T>
void arrive(const Wire& wire, const std::shared_ptr<Call<T>>& call) {
  if (wire.link.cut || call->connection != wire.service.connections) return;
  ++wire.service.calls;
  // Shared, since a list of very many records is not to be copied on its way.
  auto result = std::make_shared<Result<T>>(
      wire.service.serving ? call->deed(wire.service.store)
                           : Result<T>(fail(ErrorKind::unavailable, "connection refused")));
  if (wire.loses()) return;
  wire.send([wire, call, result = std::move(result)] {
    if (wire.link.cut || call->connection != wire.service.connections) return;
    wire.deliver([call, result] { answer(*call, std::move(*result)); });
  });
}

void withhold_most(Snapshot& snapshot) {
  if (snapshot.records.size() > kToldInALie) snapshot.records.resize(kToldInALie);
}

}  // namespace

template <typename T>
void SimulatedRegistry::call(std::function<Result<T>(Store&)> deed, Reply<T> reply) {
  ++wire_.link.calls;
  auto call = std::make_shared<Call<T>>();
  call->deed = std::move(deed);
  call->reply = life_.guard(std::move(reply));
  call->connection = wire_.service.connections;
  call->deadline = loop_.at(loop_.now() + kDeadline, [call] {
    answer(*call, Result<T>(fail(ErrorKind::unavailable, "no answer in time")));
  });
  if (wire_.loses()) return;
  wire_.send([wire = wire_, call] { arrive(wire, call); });
}

void SimulatedRegistry::snapshot(Reply<Snapshot> reply) {
  const auto name = std::make_shared<std::uint64_t>(0);
  call<Snapshot>(
      [wire = wire_, name](Store& store) {
        ++wire.service.lists;
        Snapshot all = store.snapshot();
        *name = store.name();
        if (std::exchange(wire.link.lies, false)) {
          wire.link.lied_at = wire.service.timeline.now();
          withhold_most(all);
        }
        return Result<Snapshot>(std::move(all));
      },
      [this, name, reply = std::move(reply)](Result<Snapshot> all) {
        if (all) {
          name_ = *name;
          keep_config(all->config);
        }
        reply(std::move(all));
      });
}

void SimulatedRegistry::create_if_absent(std::string key, std::string value, Ttl ttl,
                                         Reply<WriteResult> reply) {
  call<WriteResult>([who = who_(), key = std::move(key), value = std::move(value),
                     ttl](Store& store) { return store.create(who, key, value, ttl); },
                    std::move(reply));
}

void SimulatedRegistry::replace_if_unchanged(Record seen, std::string value, Ttl ttl,
                                             Reply<WriteResult> reply) {
  call<WriteResult>([who = who_(), seen = std::move(seen), value = std::move(value),
                     ttl](Store& store) { return store.replace(who, seen, value, ttl); },
                    std::move(reply));
}

// Two calls, as etcd needs: whether it is unchanged, then a keep-alive.
void SimulatedRegistry::renew_if_unchanged(Record seen, Ttl ttl, Reply<WriteResult> reply) {
  call<WriteResult>(
      [seen](Store& store) { return store.check(seen); },
      [this, seen, ttl, reply = std::move(reply)](const Result<WriteResult>& unchanged) {
        if (!unchanged || !unchanged->expires()) return reply(unchanged);
        call<WriteResult>(
            [who = who_(), seen, ttl](Store& store) { return store.extend(who, seen, ttl); },
            reply);
      });
}

void SimulatedRegistry::release_if_unchanged(Record seen, Reply<void> reply) {
  call<void>(
      [who = who_(), seen = std::move(seen)](Store& store) { return store.release(who, seen); },
      std::move(reply));
}

void SimulatedRegistry::write_config(std::string, Revision, Reply<Revision> reply) {
  call<Revision>(
      [](Store&) { return Result<Revision>(fail(ErrorKind::unsupported, "nobody asks for it")); },
      std::move(reply));
}

void SimulatedRegistry::remove_config(Revision, Reply<void> reply) {
  call<void>(
      [](Store&) { return Result<void>(fail(ErrorKind::unsupported, "nobody asks for it")); },
      std::move(reply));
}

void SimulatedRegistry::list_networks(Reply<NetworkList> reply) {
  call<NetworkList>(
      [](Store&) {
        return Result<NetworkList>(fail(ErrorKind::unsupported, "nobody asks for it"));
      },
      std::move(reply));
}

void SimulatedRegistry::remaining_lives(std::vector<Record>, Reply<RemainingLives> reply) {
  call<RemainingLives>([](Store& store) { return Result<RemainingLives>(store.remaining_lives()); },
                       std::move(reply));
}

void SimulatedRegistry::keep_config(std::optional<ConfigRecord>& config) {
  if (!config || wire_.service.follows_config) return;
  if (!kept_config_) kept_config_ = config->text;
  config->text = *kept_config_;
}

std::vector<Change> SimulatedRegistry::with_kept_config(std::vector<Change> changes) {
  for (Change& change : changes) {
    auto* put = std::get_if<ConfigPut>(&change);
    if (put != nullptr && kept_config_) put->config.text = *kept_config_;
  }
  return changes;
}

WatchHandle SimulatedRegistry::watch(Revision from, WatchListener listener) {
  listener.on_changes = [this, on_changes = std::move(listener.on_changes)](const auto& changes,
                                                                            Revision revision) {
    on_changes(with_kept_config(changes), revision);
  };
  auto stream = std::make_shared<WatchStream>(wire_, name_, from, std::move(listener));
  std::erase_if(streams_, [](const auto& old) { return old.expired(); });
  streams_.push_back(stream);
  stream->unanswered = loop_.at(loop_.now() + kDeadline, [weak = std::weak_ptr(stream)] {
    if (const auto late = weak.lock()) late->disconnect("no answer to the watch request");
  });
  if (!wire_.loses()) wire_.send([stream] { stream->arrive(); });
  return std::make_unique<WatchStream::Handle>(std::move(stream));
}

void SimulatedRegistry::on_cut() {
  for (const auto& weak : streams_) {
    const auto stream = weak.lock();
    if (stream) stream->notice_silence(kSilence);
  }
}

void SimulatedRegistry::break_streams() {
  for (const auto& weak : streams_) {
    const auto stream = weak.lock();
    if (stream) stream->break_off();
  }
}

void SimulatedRegistry::lose_positions() {
  for (const auto& weak : streams_) {
    const auto stream = weak.lock();
    if (stream) stream->forget();
  }
}

}  // namespace flannel::simulation
