// Partitioned databases: most of their views are asked within one partition.
import * as api from './api'

/** Tells whether a database is partitioned. */
export const isPartitioned = async (db: string, signal: AbortSignal): Promise<boolean> => (await api.get<{ props?: { partitioned?: boolean } }>([db], {}, signal)).props?.partitioned ?? false

/** The path of a view, in a partition if there is one. */
export const viewPath = (db: string, design: string, view: string, partition?: string): string[] => [db, ...(partition === undefined ? [] : ['_partition', partition]), '_design/' + design, '_view', view]
