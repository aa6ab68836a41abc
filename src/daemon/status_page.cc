// SPDX-License-Identifier: Apache-2.0
#include "daemon/status_page.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/file.h"
#include "base/parse.h"
#include "page/page_api.h"

namespace flannel {
namespace {

constexpr Duration kBetweenEvents = std::chrono::seconds(1);
// A comment every so many seconds shows the client, and routers between, that the stream lives.
constexpr std::uint64_t kRoundsBetweenBeats = 15;

// One round of events. It is rendered by the server's thread, once for all streams.
class Round {
 public:
  Round(LiveView view, std::shared_ptr<LiveEvents> events)
      : view_(std::move(view)), events_(std::move(events)) {}

  std::string text(bool is_new, bool beats) {
    if (view_) events_->take(*std::exchange(view_, std::nullopt));
    if (is_new) return events_->whole();
    return beats ? ": the stream lives\n\n" + events_->change() : events_->change();
  }

 private:
  std::optional<LiveView> view_;  // nullopt: events_ has it
  std::shared_ptr<LiveEvents> events_;
};

std::optional<std::uint64_t> read_counter(const std::string& device, const std::string& name) {
  const auto text = read_file("/sys/class/net/" + device + "/statistics/" + name, 64);
  return text ? parse_decimal<std::uint64_t>(trim(*text)) : std::nullopt;
}

// nullopt if one of the devices is not there.
std::optional<CarriedBytes> carried_by(const std::vector<std::string>& devices) {
  CarriedBytes carried;
  for (const std::string& device : devices) {
    const auto received = read_counter(device, "rx_bytes");
    const auto sent = read_counter(device, "tx_bytes");
    if (!received || !sent) return std::nullopt;
    carried.received += *received;
    carried.sent += *sent;
  }
  return devices.empty() ? std::nullopt : std::optional(carried);
}

std::optional<std::chrono::microseconds> median_rtt(const control::PeersView& view) {
  std::vector<std::chrono::microseconds> times;
  for (const control::PeerRow& peer : view.peers) {
    for (const control::PathRow& row : peer.paths) {
      if (row.path.rtt && row.path.state != PathState::unreachable) times.push_back(*row.path.rtt);
    }
  }
  if (times.empty()) return std::nullopt;
  const auto middle = times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2);
  std::ranges::nth_element(times, middle);
  return *middle;
}

}  // namespace

StatusPage::StatusPage(Parts parts)
    : parts_(std::move(parts)),
      control_(parts_.control.handler()),
      shown_load_(std::make_shared<std::deque<LoadSample>>()) {
  sample_due_.arm_after(LoadHistory::kEvery);
}

HttpHandler StatusPage::handler() {
  return [this, turn = gate_.sender()](const HttpRequest& request, const HttpReply& plain) {
    const HttpReply reply([plain](HttpReply::Make make) {
      plain([make = std::move(make)] { return page::with_headers(make()); });
    });
    auto call = page::find_call(request, parts_.token);
    if (!call) return reply(std::move(call).error());
    if (*call == page::Call::file) return reply(page::file(request.path));
    if (*call == page::Call::events) {
      HttpResponse events{200, "", "text/event-stream"};
      if (request.method == "GET") {
        events.goes_on = [this, turn](const HttpSink& sink) {
          turn.post([this, sink] { add(sink); });
        };
      }
      return reply(std::move(events));
    }
    if (*call == page::Call::peers) return turn.post([this, reply] { give_peers(reply); });
    HttpRequest asked = request;
    asked.method = "GET";
    asked.query.erase("network");
    if (const std::string shown = network(); !shown.empty()) asked.query.emplace("network", shown);
    control_(asked, reply);
  };
}

void StatusPage::give_peers(const HttpReply& reply) {
  const TimePoint now = parts_.loop.now();
  if (!peers_ || now - peers_->at >= kBetweenEvents) {
    peers_ = std::make_shared<Peers>();
    peers_->at = now;
    peers_->view = parts_.control.peers(network());
  }
  reply([peers = peers_] {
    std::call_once(peers->once, [&peers = *peers] {
      peers.answer = control::peers_answer(peers.view, peers.at);
    });
    return peers->answer;
  });
}

void StatusPage::add(const HttpSink& sink) {
  streams_.push_back({sink});
  if (!send_due_.armed()) send();
}

void StatusPage::send() {
  std::erase_if(streams_, [](const Stream& stream) { return !stream.sink.is_open(); });
  if (streams_.empty()) return;
  if (HealthRows* rows = health_rows()) rows->look();
  const auto round = std::make_shared<Round>(view(), events_);
  const bool beats = ++sent_ % kRoundsBetweenBeats == 0;
  for (Stream& stream : streams_) {
    stream.sink([round, beats, is_new = std::exchange(stream.is_new, false)] {
      return round->text(is_new, beats);
    });
  }
  send_due_.arm_after(kBetweenEvents);
}

// Any thread.
std::string StatusPage::network() const {
  const NetworkStatuses statuses = parts_.board.current();
  const bool is_first = parts_.network.empty() && !statuses.empty();
  return is_first ? statuses.begin()->first : parts_.network;
}

LiveView StatusPage::view() const {
  const HealthRows* rows = health_rows();
  const NetworkStatuses statuses = parts_.board.current();
  const auto shown = statuses.find(network());
  return {
      .now = parts_.loop.now(),
      .status = shown == statuses.end() ? std::make_shared<const StatusSnapshot>() : shown->second,
      .peers = parts_.control.peers(network()),
      .load = shown_load_,
      .devices = devices(),
      .rows = rows == nullptr ? nullptr : rows->seen()};
}

void StatusPage::sample() {
  load_.add(parts_.loop.now(), carried_by(devices()), median_rtt(parts_.control.peers(network())));
  shown_load_ = std::make_shared<std::deque<LoadSample>>(load_.samples());
  sample_due_.arm_after(LoadHistory::kEvery);
}

// Null without --publish-health.
HealthRows* StatusPage::health_rows() const {
  Membership* member = parts_.node.find(network());
  return member == nullptr ? nullptr : member->health_rows();
}

// With host-gw the kernel sends by the interface of the underlay, whatever else that carries.
std::vector<std::string> StatusPage::devices() const {
  const Membership* member = parts_.node.find(network());
  const Network* network = member == nullptr ? nullptr : member->agent().network();
  if (network == nullptr || !network->planes().any()) return {};
  std::vector<std::string> names = network->planes().device_names();
  if (names.empty()) names.push_back(network->underlay().interface);
  return names;
}

}  // namespace flannel
