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

StatusPage::StatusPage(Parts parts) : parts_(std::move(parts)), control_(parts_.control.handler()) {
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
    const std::string network = network_of(request);
    if (request.query.contains("network") && !parts_.board.current().contains(network)) {
      return reply(HttpResponse{404, "there is no such network\n"});
    }
    if (*call == page::Call::events) {
      HttpResponse events{200, "", "text/event-stream"};
      if (request.method == "GET") {
        events.goes_on = [this, turn, network](const HttpSink& sink) {
          turn.post([this, network, sink] { add(network, sink); });
        };
      }
      return reply(std::move(events));
    }
    if (*call == page::Call::peers) {
      return turn.post([this, network, reply] { give_peers(network, reply); });
    }
    HttpRequest asked = request;
    asked.method = "GET";
    asked.query.erase("network");
    if (!network.empty()) asked.query.emplace("network", network);
    control_(asked, reply);
  };
}

// Any thread.
std::string StatusPage::network_of(const HttpRequest& request) const {
  const auto asked = request.query.find("network");
  if (asked != request.query.end()) return asked->second;
  const NetworkStatuses statuses = parts_.board.current();
  const bool is_first = parts_.network.empty() && !statuses.empty();
  return is_first ? statuses.begin()->first : parts_.network;
}

void StatusPage::give_peers(const std::string& network, const HttpReply& reply) {
  const TimePoint now = parts_.loop.now();
  std::shared_ptr<Peers>& known = shown_[network].peers;
  if (!known || now - known->at >= kBetweenEvents) {
    known = std::make_shared<Peers>();
    known->at = now;
    known->view = parts_.control.peers(network);
  }
  reply([peers = known] {
    std::call_once(peers->once, [&peers = *peers] {
      peers.answer = control::peers_answer(peers.view, peers.at);
    });
    return peers->answer;
  });
}

void StatusPage::add(const std::string& network, const HttpSink& sink) {
  shown_[network].streams.push_back({sink});
  if (!send_due_.armed()) send();
}

void StatusPage::send() {
  const bool beats = ++sent_ % kRoundsBetweenBeats == 0;
  bool any = false;
  for (auto& [network, shown] : shown_)
    any = send(network, shown, beats) || any;
  if (any) send_due_.arm_after(kBetweenEvents);
}

// False: nobody looks at this network.
bool StatusPage::send(const std::string& network, Shown& shown, bool beats) {
  std::erase_if(shown.streams, [](const Stream& stream) { return !stream.sink.is_open(); });
  if (shown.streams.empty()) return false;
  if (HealthRows* rows = health_rows(network)) rows->look();
  const auto round = std::make_shared<Round>(view(network, shown), shown.events);
  for (Stream& stream : shown.streams) {
    stream.sink([round, beats, is_new = std::exchange(stream.is_new, false)] {
      return round->text(is_new, beats);
    });
  }
  return true;
}

LiveView StatusPage::view(const std::string& network, const Shown& shown) const {
  const NetworkStatuses statuses = parts_.board.current();
  const auto status = statuses.find(network);
  const HealthRows* rows = health_rows(network);
  LiveView view{.now = parts_.loop.now(),
                .status = status == statuses.end() ? std::make_shared<const StatusSnapshot>()
                                                   : status->second,
                .peers = parts_.control.peers(network),
                .load = shown.shown_load,
                .devices = devices(network),
                .rows = rows == nullptr ? nullptr : rows->seen(),
                .network = network};
  for (const auto& [name, other] : statuses)
    view.networks.push_back(name);
  return view;
}

// Also of those that nobody looks at, so that each has its last hour. One that this host has left
// goes when nobody looks at it.
void StatusPage::sample() {
  const NetworkStatuses statuses = parts_.board.current();
  for (const auto& [network, status] : statuses) {
    Shown& shown = shown_[network];
    shown.load.add(parts_.loop.now(), carried_by(devices(network)),
                   median_rtt(parts_.control.peers(network)));
    shown.shown_load = std::make_shared<std::deque<LoadSample>>(shown.load.samples());
  }
  std::erase_if(shown_, [&statuses](const auto& one) {
    return !statuses.contains(one.first) && one.second.streams.empty();
  });
  sample_due_.arm_after(LoadHistory::kEvery);
}

// Null without --publish-health.
HealthRows* StatusPage::health_rows(const std::string& network) const {
  Membership* member = parts_.node.find(network);
  return member == nullptr ? nullptr : member->health_rows();
}

// With host-gw the kernel sends by the interface of the underlay, whatever else that carries.
std::vector<std::string> StatusPage::devices(const std::string& of) const {
  const Membership* member = parts_.node.find(of);
  const Network* network = member == nullptr ? nullptr : member->agent().network();
  if (network == nullptr || !network->planes().any()) return {};
  std::vector<std::string> names = network->planes().device_names();
  if (names.empty()) names.push_back(network->underlay().interface);
  return names;
}

}  // namespace flannel
