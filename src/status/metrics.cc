// SPDX-License-Identifier: Apache-2.0
#include "status/metrics.h"

#include <prometheus/text_serializer.h>

#include <algorithm>
#include <deque>
#include <limits>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "base/version.h"

namespace flannel {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricType;

double seconds_of(Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

// Collects the families of one scrape.
class Families {
 public:
  // The values that follow are of this network; empty: it has no name.
  void begin_network(const std::string& name) { network_ = name; }

  // Begins a family; its values follow.
  Families& gauge(std::string_view name, std::string_view help) {
    return begin(name, help, MetricType::Gauge);
  }
  Families& counter(std::string_view name, std::string_view help) {
    return begin(name, help, MetricType::Counter);
  }
  // Begins a family with one histogram. `counts`: values between two of `bounds` each.
  void histogram(std::string_view name, std::string_view help, std::span<const double> bounds,
                 std::span<const std::uint64_t> counts, double sum) {
    begin(name, help, MetricType::Histogram);
    ClientMetric metric;
    metric.label = labels({});
    std::uint64_t total = 0;
    for (std::size_t i = 0; i < counts.size(); ++i) {
      total += counts[i];
      const double bound = i < bounds.size() ? bounds[i] : std::numeric_limits<double>::infinity();
      metric.histogram.bucket.push_back({total, bound});
    }
    metric.histogram.sample_count = total;
    metric.histogram.sample_sum = sum;
    family_->metric.push_back(std::move(metric));
  }
  template <typename Number>
  Families& value(Number number) {
    add({}, static_cast<double>(number));
    return *this;
  }
  template <typename Number>
  Families& value(Number number, std::string_view label, std::string_view of) {
    add({{std::string(label), std::string(of)}}, static_cast<double>(number));
    return *this;
  }

  std::string text() const {
    return prometheus::TextSerializer().Serialize({all_.begin(), all_.end()});
  }

 private:
  // A family has the values of all networks.
  Families& begin(std::string_view name, std::string_view help, MetricType type) {
    const std::string full = "flannel_" + std::string(name);
    const auto there = std::ranges::find(all_, full, &prometheus::MetricFamily::name);
    family_ = there != all_.end()
                  ? &*there
                  : &all_.emplace_back(prometheus::MetricFamily{full, std::string(help), type, {}});
    return *this;
  }
  std::vector<ClientMetric::Label> labels(std::vector<ClientMetric::Label> own) const {
    if (!network_.empty()) own.push_back({"network", network_});
    return own;
  }
  void add(std::vector<ClientMetric::Label> own, double number) {
    ClientMetric metric;
    metric.label = labels(std::move(own));
    if (family_->type == MetricType::Counter) metric.counter.value = number;
    if (family_->type == MetricType::Gauge) metric.gauge.value = number;
    family_->metric.push_back(std::move(metric));
  }

  std::string network_;
  std::deque<prometheus::MetricFamily> all_;
  prometheus::MetricFamily* family_ = nullptr;  // that was begun last
};

void add_host(Families& families, const StatusSnapshot& status, TimePoint now) {
  families.gauge("ready", "1 if containers may be attached, as in /readyz.").value(status.ready);
  families.gauge("problems", "Problems that the verbose form names, by their severity.");
  for (const Severity severity : {Severity::waiting, Severity::notice, Severity::warning,
                                  Severity::error, Severity::critical}) {
    families.value(std::ranges::count(status.problems, severity,
                                      [](const Problem& one) { return one.kind->severity; }),
                   "severity", to_string(severity));
  }
  const bool held = status.lease && status.lease->phase == "active";
  families.gauge("lease_held", "1 if this host has its lease.").value(held);
  if (held && status.lease->ends != kNever) {
    families.gauge("lease_remaining_seconds", "Time until the lease ends unless it is renewed.")
        .value(seconds_of(status.lease->ends - now));
  }
  if (status.underlay) {
    families.gauge("underlay_mtu_bytes", "MTU of the interface between the hosts.")
        .value(status.underlay->mtu);
  }
}

void add_store(Families& families, const StoreStatus& store) {
  families.gauge("store_connected", "1 if the store is followed.").value(store.connected);
  families.counter("store_lists_total", "Lists read from the store.").value(store.lists);
  families
      .counter("store_positions_lost_total",
               "Times that the store was compacted, cleared or restored.")
      .value(store.positions_lost);
  families.counter("store_resumed_total", "Broken watches that went on without a list.")
      .value(store.resumed);
  families
      .counter("store_refuted_total",
               "Times that the store did not repeat the history that this host knows.")
      .value(store.refuted);
  families.counter("store_failures_total", "Failed calls to the store, by their cause.")
      .value(store.failures.transport, "cause", "transport")
      .value(store.failures.silence, "cause", "silence")
      .value(store.failures.cancelled, "cause", "cancelled")
      .value(store.failures.denied, "cause", "denied");
}

void add_peers(Families& families, const PeerStatus& peers) {
  families.gauge("peers", "Other hosts, and records that are not used, by their state.")
      .value(peers.up, "state", "up")
      .value(peers.suspected, "state", "suspected")
      .value(peers.unreachable.size() + peers.more_unreachable, "state", "unreachable")
      .value(peers.quarantined.size() + peers.more_quarantined, "state", "quarantined");
}

void add_probes(Families& families, const ProbeStatus& probes) {
  const ProbeCounters::Counts counts = probes.counters->read();
  families.gauge("probe_paths", "Subnets of peers that are probed, by their state.");
  for (const auto& [state, number] : probes.paths)
    families.value(number, "state", state);
  families.counter("probes_sent_total", "Short probes sent to peers.").value(counts.sent);
  families.histogram("probe_rtt_seconds", "Time until short probes were answered.",
                     ProbeCounters::kBounds, counts.answered, counts.rtt_sum);
}

void add_kernel(Families& families, const KernelStatus& kernel) {
  families.counter("kernel_syncs_total", "Comparisons of all kernel objects with the wanted ones.")
      .value(kernel.counters.full_syncs);
  families.counter("kernel_changes_total", "Kernel objects put or removed.")
      .value(kernel.counters.changes);
  families.counter("kernel_repairs_total", "Of these, repairs of what others had changed.")
      .value(kernel.counters.corrections);
  families.counter("kernel_failures_total", "Changes of kernel objects that failed.")
      .value(kernel.counters.failures);
  families.gauge("kernel_objects_unmet", "Kernel objects that are not as wanted.")
      .value(kernel.unmet.size() + kernel.more_unmet);
}

// The numbers of the udp backend have the names that dataplane.md explains.
void add_packet_path(Families& families, const PacketPathStatus& path) {
  const auto counters = path.read();
  families.gauge("packet_path_up", "1 if the udp backend carries packets.")
      .value(path.trouble.empty());
  families.counter("packet_path_work_total", "Packets, bytes and system calls of the udp backend.");
  for (const auto& [name, number] : counters.work)
    families.value(number, "counter", name);
  families.counter("packet_path_drops_total", "Packets that the udp backend dropped, by reason.");
  for (const auto& [name, number] : counters.drops)
    families.value(number, "reason", name);
}

}  // namespace

std::string metrics_text(const NetworkStatuses& networks, TimePoint now) {
  Families families;
  families.gauge("build_info", "1, with the release as a label.").value(1, "version", version());
  for (const auto& [name, status] : networks) {
    families.begin_network(name);
    add_host(families, *status, now);
    add_store(families, status->store);
    add_peers(families, status->peers);
    if (status->probes) add_probes(families, *status->probes);
    add_kernel(families, status->kernel);
    if (status->packet_path) add_packet_path(families, *status->packet_path);
  }
  return families.text();
}

}  // namespace flannel
