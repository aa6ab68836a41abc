// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/clock.h"
#include "http/message.h"
#include "status/board.h"

namespace flannel {

// Renders the health pages for any method:
//   /healthz          200 "flanneld is running": the process answers
//   /readyz           200 "flanneld is ready" or 503 "flanneld is not ready yet", which one network
//                     that is not ready makes it; each problem follows on a line of its own
//   /readyz?verbose   the same status, with the whole snapshot as JSON; of networks that have
//                     names, with one for each in the member "networks", and, with --networks=*,
//                     what is wrong apart from them in "problems"
//   /metrics          200, metrics.h
// Everything else is 404.
HttpResponse status_page(const HttpRequest& request, const NetworkStatuses& networks,
                         const DaemonStatus& daemon, TimePoint now);

}  // namespace flannel
