"""What may stand in each definition of Azure ML, by subject. A field is named once, here.

The tables follow what azure-ai-ml 1.35 loads; a test compares them with its schemas.
"""
