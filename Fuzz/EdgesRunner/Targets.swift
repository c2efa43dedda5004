internal import FuzzCore
internal import FuzzEdges
let runnerTargets = FuzzTarget.edges
