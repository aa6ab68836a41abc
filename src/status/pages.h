// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/clock.h"
#include "http/message.h"
#include "status/snapshot.h"

namespace flannel {

// Renders the health pages for any method:
//   /healthz          200 "flanneld is running": the process answers
//   /readyz           200 "flanneld is ready" or 503 "flanneld is not ready yet"; each problem
//                     follows on a line of its own
//   /readyz?verbose   the same status, with the whole snapshot as JSON
//   /metrics          200, metrics.h
// Everything else is 404.
HttpResponse status_page(const HttpRequest& request, const StatusSnapshot& status, TimePoint now);

}  // namespace flannel
